"""The public names of `starec_sim`, and the scripts that import no others."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import starec_sim

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
USERS = (
    "README.md",
    "docs/**/*.md",
    "docs/examples/*.py",
    "experiments/**/*.py",
    "tests/fixtures/third_party_plugin/**/*.py",
)
"""Who uses public names only. `benchmarks/` measures inner parts, and the scripts in `docs/` draw
the pictures of the pages; both change together with the code and may import anything."""


def documented():
    """Return the modules that the reference documents: these are public."""
    pages = sorted(ROOT.glob("docs/reference/*.md"))
    named = [name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)]
    return {"starec_sim", *(name for name in named if is_module(name))}


def is_module(name):
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a function of a module
        return False


def names_of(module):
    """Return the public names of a module: its `__all__`, or what it defines itself."""
    tree = ast.parse(Path(find_spec(module).origin).read_text())
    defined = set()
    lazy = [each for node in tree.body if isinstance(node, ast.If) for each in node.body]
    for node in (*tree.body, *lazy):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if "__all__" in names:
                return set(ast.literal_eval(node.value))
            defined |= names
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
    return {name for name in defined if not name.startswith("_")}


def test_every_public_name_is_there():
    for name in starec_sim.__all__:
        assert getattr(starec_sim, name) is not None, name
    assert set(starec_sim.__all__) <= set(dir(starec_sim))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        starec_sim.nothing  # noqa: B018


def test_type_checkers_see_the_names_that_are_imported_lazily():
    tree = ast.parse(Path(starec_sim.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {name.name: node.module for node in block.body for name in node.names}
    assert seen == starec_sim._MODULE_OF
    assert sorted([*seen, "__version__"]) == sorted(starec_sim.__all__)


def test_the_import_is_quick_and_needs_no_large_package():
    code = (
        "import sys, time; before = set(sys.modules); start = time.perf_counter(); "
        "import starec_sim; print(time.perf_counter() - start); "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.splitlines()
    assert float(seconds) < 0.3
    assert {"torch", "numpy", "pydantic", "langgraph"}.isdisjoint(modules.split())


def test_there_are_few_public_names():
    assert len(starec_sim.__all__) <= 45


def test_the_docstring_and_the_reference_name_every_public_name():
    page = (ROOT / "docs" / "reference" / "python.md").read_text()
    for name in set(starec_sim.__all__) - {"__version__"}:
        assert f"`{name}`" in starec_sim.__doc__, name
        assert f"`{name}`" in page, name


def test_packages_that_are_public_say_what_they_give():
    needs_verifiers = set() if find_spec("verifiers") else {"starec_verifiers"}
    for name in documented() - needs_verifiers:
        if find_spec(name).submodule_search_locations:
            module = import_module(name)
            assert all(hasattr(module, each) for each in module.__all__), name


def internal(text):
    """Return what a piece of code imports of the project and that is not public."""
    public, found = documented(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("starec_"):
            known = names_of(node.module) if node.module in public else set()
            found |= {
                f"{node.module}.{name.name}"
                for name in node.names
                if name.name not in known and f"{node.module}.{name.name}" not in public
            }
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.startswith("starec_")} - public
    return found


def users():
    """Yield (file, code) of every experiment, example, page, and of a plug-in of somebody else."""
    for pattern in USERS:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text()
            for code in BLOCK.findall(text) if path.suffix == ".md" else [text]:
                yield path, code


def test_experiments_docs_and_examples_import_public_names_only():
    found: dict[str, set[str]] = {}
    for path, code in users():
        if inner := internal(code):
            found.setdefault(str(path.relative_to(ROOT)), set()).update(inner)
    assert not found


def test_experiments_docs_and_examples_import_each_name_the_shortest_way():
    longer = [
        f"{path.relative_to(ROOT)}: {name.name} of {node.module}"
        for path, code in users()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if "fixtures" not in path.parts  # a plug-in of somebody else may import either way
        and starec_sim._MODULE_OF.get(name.name) == node.module
    ]
    assert not longer


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from starec_sim import run, metrics", set()),
        ("from starec_sim.evaluation import render", set()),
        ("import numpy, starec_sim.types", set()),
        ("from starec_sim import runs", {"starec_sim.runs"}),
        ("from starec_sim.types import np", {"starec_sim.types.np"}),
        ("from starec_sim.cli.tables import number", {"starec_sim.cli.tables.number"}),
        ("def f():\n    import starec_sim.trials", {"starec_sim.trials"}),
    ],
)
def test_what_counts_as_internal(code, found):
    assert internal(code) == found
