"""Write a table into a folder as Markdown, CSV, LaTeX and a plot."""

from __future__ import annotations

from pathlib import Path

from starec_sim.evaluation import render
from starec_sim.evaluation.plot import plot_table
from starec_sim.evaluation.table import Table
from starec_sim.runs.atomic_file import write_atomically

TABLE_FILES = ("table.md", "table.csv", "table.tex", "table.png")


def write_table_files(table: Table, folder: Path, against: str | None = None) -> None:
    """Write a table in all formats into a folder: `TABLE_FILES`.

    Args:
        table: The table.
        folder: Is created if it does not exist.
        against: The row that the others are compared with; `table.reference` when None.

    Raises:
        RunError: There is no such row.
    """
    texts = (
        render.markdown(table, against),
        render.comma_separated(table),
        render.latex(table),
    )
    folder.mkdir(parents=True, exist_ok=True)
    *names, plot = TABLE_FILES
    for name, text in zip(names, texts, strict=True):
        write_atomically(folder / name, text)
    plot_table(table, folder / plot)
