"""Tables of the settings of the plug-ins that ship, made from their `Config` classes.

`docs/build_site.py` puts them into the page `docs/reference/settings.md`.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from starec_sim import Settings

MARK = "<!-- settings of the plug-ins -->"
"""Where the tables go."""
KINDS = {
    "environments": "Environments",
    "recommenders": "Recommenders",
    "datasets": "Datasets",
    "agents": "Agents",
    "policies": "Policies",
}


def settings_tables() -> str:
    """Return a heading for each kind of plug-in, and a table for each plug-in of that kind."""
    parts = []
    for kind, title in KINDS.items():
        parts.append(f"## {title}")
        for point in sorted(entry_points(group=f"starec_sim.{kind}"), key=lambda point: point.name):
            plugin = point.load()
            model = plugin if issubclass(plugin, BaseModel) else plugin.Config
            parts.append(f"### `{point.name}`\n\n{first_line(plugin)}\n\n{table(model)}")
    return "\n\n".join(parts)


def table(model: type[BaseModel]) -> str:
    """Return the fields of a model as a Markdown table; those of other packages are left out."""
    rows = [f"| {' | '.join(map(cell, row))} |" for row in settings(model)]
    if not rows:
        return "It has no settings."
    return "\n".join(["| name | type | default | meaning |", "|---|---|---|---|", *rows])


def settings(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and meaning of each field; names of inner fields are dotted.

    Args:
        model: The class of the settings.
        before: What stands before the names.
    """
    sources = dict(field_sources(model))
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            yield from settings(inner, f"{before}{name}.")
        elif name in sources:
            written, meaning = sources[name]
            yield f"`{before}{name}`", f"`{written}`", default(field), meaning


def field_sources(model: type[BaseModel]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each field of our own classes with its type and its docstring, as they are written."""
    for part in reversed(model.__mro__):
        if not part.__module__.startswith("starec_"):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        assert isinstance(definition, ast.ClassDef)
        for node, following in zip(definition.body, [*definition.body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, (written_type(node.annotation), docstring(following))


def written_type(annotation: ast.expr) -> str:
    """Return a type as it is written, without what `Annotated` adds."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        assert isinstance(annotation.slice, ast.Tuple)
        annotation = annotation.slice.elts[0]
    return ast.unparse(annotation)


def docstring(node: ast.stmt | None) -> str:
    """Return the text of a docstring on one line; empty if the statement is none."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def default(field: FieldInfo) -> str:
    """Return the default of a field and its bounds."""
    bounds = [
        f"{sign} {value}"
        for mark in field.metadata
        for sign, name in ((">", "gt"), ("≥", "ge"), ("<", "lt"), ("≤", "le"))
        if (value := getattr(mark, name, None)) is not None
    ]
    value = field.get_default(call_default_factory=not field.default_factory_takes_validated_data)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    shown = "required" if field.is_required() else f"`{value!r}`"
    return f"{shown} ({', '.join(bounds)})" if bounds else shown


def first_line(plugin: type) -> str:
    """Return the first line of a class's docstring."""
    return (inspect.getdoc(plugin) or "").partition("\n\n")[0].replace("\n", " ")


def cell(text: str) -> str:
    """Return text that does not end a cell of a table."""
    return text.replace("|", "\\|")


def with_settings(text: str) -> str:
    """Return the text of a page with the tables in the place of the mark."""
    return text.replace(MARK, settings_tables()) if MARK in text else text
