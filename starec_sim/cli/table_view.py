"""Print the table of an evaluation, or return it as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from starec_sim.cli.tables import grid
from starec_sim.cli.visible_console import console
from starec_sim.evaluation import render
from starec_sim.visible_text import visible

if TYPE_CHECKING:
    from starec_sim.evaluation import PairedDifference, Table

_UNSURE = "unsure: the 95 % interval holds zero"


def table_as_json(table: Table, against: str | None) -> dict[str, Any]:
    """Return a table as JSON values, with differences from one row and the impossible rows."""
    return {
        **table.as_json(),
        "against": against or table.reference,
        "differences": {name: d.as_json() for name, d in table.against(against).items()},
        "impossible": [finding._asdict() for finding in table.impossible_rows()],
    }


def print_table(table: Table, against: str | None) -> None:
    """Print a table: metrics, differences from one row, counters and costs.

    Args:
        table: The table.
        against: The name of the row that others are compared with; `table.reference` when None.

    Raises:
        RunError: There is no such row; nothing is printed then.
    """
    out = console()
    if len(table.rows) > 1:
        table.row(against or table.reference)
    _print_metrics(out, table)
    if len(table.rows) > 1:
        _print_against(out, table, against)
    _print_costs(out, table)
    out.print(f"\n{render.caption(table)}", style="dim")
    for name, why in table.about["left out"].items():
        out.print(f"left out: {visible(name)}, which {why}", style="yellow")
    for name in table.unfinished:
        out.print(f"not finished: {visible(name)}", style="yellow")
    for finding in table.impossible_rows():
        out.print(f"impossible: {finding.row}; {finding.problem}", style="bold red")


def print_differences(rows: tuple[str, str], differences: Mapping[str, PairedDifference]) -> None:
    """Print the difference of two rows in every metric."""
    out, lines = console(), grid()
    out.print(f"\n{rows[0]} minus {rows[1]}, times 100, over the same users; {_UNSURE}\n")
    for name, found in differences.items():
        word = _word(found)
        lines.add_row(
            render.title(name), render.difference_text(found), f"p {render.p_text(found.p)}", word
        )
    out.print(lines)


def _word(found: PairedDifference) -> str:
    """Return a difference in one word."""
    if found.interval.is_zero:
        return "equal"
    if not found.sure:
        return "unsure"
    return "higher" if found.interval.mean > 0 else "lower"


def _print_metrics(out: Console, table: Table) -> None:
    """Print two blocks, the NDCGs and the other metrics, with a line for each row."""
    metrics = render.shown_metrics(table)
    ndcg = [name for name in metrics if name.startswith("ndcg")]
    for block in (ndcg, [name for name in metrics if name not in ndcg]):
        lines = grid()
        lines.add_row("", *(Text(render.title(name), "bold") for name in block))
        for row in table.rows:
            cells = []
            for metric in block:
                mean, between = render.mean_texts(row.metrics[metric])
                cells.append(Text.assemble((f"{mean:>5} ", "bold"), (between, "dim")))
            lines.add_row(visible(row.name), *cells)
        out.print()
        out.print(lines)


def _print_against(out: Console, table: Table, against: str | None) -> None:
    """Print the difference of each other row from one row in the headline metric."""
    reference = visible(against or table.reference)
    out.print(f"\n{render.title(table.headline)} against {reference}, the same users; {_UNSURE}\n")
    lines = grid()
    for name, found in table.against(against).items():
        word = _word(found)
        style = {"higher": "green", "lower": "red"}.get(word, "dim")
        difference = Text(render.difference_text(found), style)
        lines.add_row(visible(name), difference, f"p {render.p_text(found.p)}", word)
    out.print(lines)


def _print_costs(out: Console, table: Table) -> None:
    """Print the costs of a ranking and the counters of the rows that have them."""
    notes = [(row.name, render.costs_text(row), render.counters_text(row)) for row in table.rows]
    if not any(cost or flaw for _, cost, flaw in notes):
        return
    out.print("\nCost of a ranking / answers with a flaw\n")
    lines = grid()
    for name, cost, flaw in notes:
        if cost or flaw:
            lines.add_row(visible(name), cost, Text(flaw, "dim"))
    out.print(lines)
