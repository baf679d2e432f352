"""The public names of `starec_sim`, and the scripts that import no others."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import starec_sim

ROOT = Path(__file__).parents[2]
PUBLIC = (
    "starec_sim",
    "starec_sim.answers",
    "starec_sim.evaluation",
    "starec_sim.holdout",
    "starec_sim.metrics",
)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
INTERNAL = {
    "experiments/04_table/table.py",
    "experiments/07_memory/recovery.py",
    *(f"experiments/05_nano/{name}.py" for name in ("corpus", "guesses", "hints", "sft")),
    *(f"experiments/05_nano/{name}.py" for name in ("table", "undecided", "worlds")),
}
"""Scripts that import modules that are not public."""


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


def internal(text):
    """Return the modules of the project that a piece of code imports and that are not public."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "starec_sim":
            public = {*starec_sim.__all__, *(name.rpartition(".")[2] for name in PUBLIC)}
            found |= {f"starec_sim.{name.name}" for name in node.names if name.name not in public}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} - set(PUBLIC)
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names} - set(PUBLIC)
    return {name for name in found if name.startswith("starec_")}


def users():
    """Yield (file, code) of every experiment, example and page."""
    for path in sorted([*ROOT.glob("experiments/*/*.py"), *ROOT.glob("docs/examples/*.py")]):
        yield path, path.read_text()
    for path in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]):
        for code in re.findall(
            r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE
        ):
            yield path, code


def test_experiments_docs_and_examples_import_public_names_only():
    found: dict[str, set[str]] = {}
    for path, code in users():
        if inner := internal(code):
            found.setdefault(str(path.relative_to(ROOT)), set()).update(inner)
    assert found.keys() == INTERNAL, found
