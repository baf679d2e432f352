"""`starec plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from starec_sim.plugin_registry import PluginKind


def list_plugins(
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help="One kind: environments, agents, policies, ...")
    ] = "",
    as_json: AsJson = False,
) -> Answer:
    """List the plug-ins that are installed, where they come from, and whether each of them loads.

    For example: starec plugins recommenders
    """
    rows = [row for one in _kinds(kind) for row in _rows(one)]
    if as_json:
        return {"plugins": rows}
    _print(rows)
    return None


def _kinds(wanted: str) -> list[PluginKind]:
    from typing import get_args

    from starec_sim.errors import ConfigError, did_you_mean
    from starec_sim.plugin_registry import PluginKind, singular

    kinds: list[PluginKind] = list(get_args(PluginKind))
    if not wanted:
        return kinds
    found: list[PluginKind] = [kind for kind in kinds if wanted.lower() in (kind, singular(kind))]
    if not found:
        raise ConfigError(
            f'there is no kind of plug-in "{wanted}"; {did_you_mean(wanted, kinds)}',
            hint="starec plugins lists all kinds",
        )
    return found


def _rows(kind: PluginKind) -> Iterator[dict[str, str]]:
    """Yield what there is to say about each plug-in of a kind."""
    from starec_sim import plugins
    from starec_sim.errors import StarecError
    from starec_sim.plugin_registry import clash, registered

    for name, points in sorted(registered(kind).items()):
        loaded, error = None, clash(kind, name) or StarecError("")
        state = "clash" if error.message else "loads"
        if state == "loads":
            try:
                loaded = plugins.load(kind, name)
                if kind not in ("policies", "rewards", "data"):
                    plugins.config_model(loaded, name)
            except StarecError as problem:
                state, error = "broken", problem
        for point in points:
            yield {
                "kind": kind,
                "name": name,
                "class": point.value,
                **_source(point),
                "defined": _defined(loaded),
                "state": state,
                "problem": error.message,
                "hint": error.hint,
            }


def _source(point: EntryPoint) -> dict[str, str]:
    """Return the distribution that registers a plug-in, and its version."""
    if point.dist is None:
        return {"from": "", "version": ""}
    return {"from": point.dist.name, "version": point.dist.version}


def _defined(loaded: Any) -> str:
    """Return file and line of a class or a function; empty if they are not known."""
    import inspect
    import linecache
    import re
    from pathlib import Path

    from starec_sim.plugin_files import short_path

    try:
        file = inspect.getsourcefile(loaded)
        # `inspect` parses the whole file for the line of a class: half a second for all plug-ins.
        begins = re.compile(rf"(class|def|async def) {re.escape(loaded.__name__)}\b")
        lines = enumerate(linecache.getlines(file or ""), 1)
        line = next((number for number, text in lines if begins.match(text)), 0)
        line = line or inspect.getsourcelines(loaded)[1]
    except (OSError, TypeError):  # nothing was loaded, or it is an instance, or built in C
        return ""
    return f"{short_path(Path(file))}:{line}" if file else ""


def _print(rows: list[dict[str, str]]) -> None:
    from itertools import groupby

    from rich.text import Text

    from starec_sim.cli.tables import one_line
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible

    out = console()
    width = max((len(row["name"]) for row in rows), default=0)
    for kind, members in groupby(rows, key=lambda row: row["kind"]):
        out.print(kind, style="bold")
        for row in members:
            source = ""
            if row["from"] != "starec-sim":
                source = f"   from {row['from']} {row['version']}".rstrip()
            room = max(20, out.width - width - 4 - len(source))
            name = Text(f"  {visible(row['name']):<{width}}  ")
            out.print(name + one_line(row["class"], room, "dim") + Text(source), soft_wrap=True)
            for style, text in (("red", row["problem"]), ("", row["hint"] and _hint(row))):
                if text:
                    out.print(Text(f"  {'':<{width}}  {visible(text)}", style), soft_wrap=True)
    wrong = len({(row["kind"], row["name"]) for row in rows if row["problem"]})
    if wrong:
        out.print(f"\n{wrong} cannot be used", style="red")


def _hint(row: dict[str, str]) -> str:
    return f"hint: {row['hint']}"
