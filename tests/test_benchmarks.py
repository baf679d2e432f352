"""Benchmarks run rarely; what they import of the packages is there all the same."""

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def imported(file):
    """Return (module, name) of each `from starec_... import name`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("starec_"):
            yield from ((node.module, alias.name) for alias in node.names)


def is_there(module, name):
    if hasattr(importlib.import_module(module), name):
        return True
    return importlib.util.find_spec(f"{module}.{name}") is not None


@pytest.mark.slow
def test_what_benchmarks_import_exists():
    names = {pair for file in BENCHMARKS.glob("*.py") for pair in imported(file)}
    assert len(names) > 50
    assert [pair for pair in sorted(names) if not is_there(*pair)] == []
