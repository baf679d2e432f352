"""The notebook of the documentation runs from its first cell to its last."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs/notebooks/reading-a-run.ipynb"


def execute(cells, names):
    """Execute cells in order, without Jupyter; return the value of the last line of each."""
    values = []
    for number, source in enumerate(cells):
        tree = ast.parse(source, f"cell {number}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        values.append(
            None if last is None else eval(compile(ast.Expression(last.value), "", "eval"), names)
        )
    return values


@pytest.mark.slow
def test_every_cell_runs_and_the_tables_hold_what_the_text_says(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    names = {}
    execute(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"], names)
    assert names["slow"].loc["never"].eq(0).all()
    assert names["slow"].loc["surprise"].gt(0).any()
    assert list(names["by_place"].index) == list(range(1, 9))
    assert names["by_place"].between(0, 1).all()
    assert names["memory"].steps > 0


def test_no_output_is_stored():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)
