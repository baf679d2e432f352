"""Write a table into a folder as Markdown, CSV, LaTeX and a plot."""

from __future__ import annotations

from pathlib import Path

from starec_sim.evaluation import render
from starec_sim.evaluation.plot import plot_table
from starec_sim.evaluation.table import Table
from starec_sim.runs.atomic_file import write_atomically


def write_table_files(table: Table, folder: Path, against: str | None = None) -> list[Path]:
    """Write a table in all formats into a folder, and return the files.

    Args:
        table: The table.
        folder: Is created if it does not exist.
        against: The row that the others are compared with; `table.reference` when None.

    Raises:
        RunError: There is no such row.
    """
    texts = {
        "table.md": render.markdown(table, against),
        "table.csv": render.comma_separated(table),
        "table.tex": render.latex(table),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomically(folder / name, text)
    plot_table(table, folder / "table.png")
    return [folder / name for name in (*texts, "table.png")]
