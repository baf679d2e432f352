"""Render a table as Markdown, CSV or LaTeX."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from starec_sim.errors import ConfigError
from starec_sim.evaluation.table import Table, TableRow
from starec_sim.metrics import Interval, PairedDifference, lopsided

PERCENT = 100.0
"""Metrics are shown times 100, as in papers."""


def title(metric: str) -> str:
    """Return the name of a metric for the head of a column.

    >>> title("ndcg@10")
    'NDCG@10'
    """
    return metric.upper()


def shown_metrics(table: Table) -> list[str]:
    """Return the metrics that a table shows.

    HR@1 equals NDCG@1, and HR of the whole list is 1. Both are only in the CSV and the JSON.
    """
    places = table.about["protocol"]["candidates"]
    names = list(table.rows[0].metrics) if table.rows else []
    return [name for name in names if name not in ("hr@1", f"hr@{places}")]


def mean_texts(interval: Interval) -> tuple[str, str]:
    """Return a mean and its interval as texts, times 100: ± half of its width, or both ends.

    >>> mean_texts(Interval(0.5, 0.4, 0.6, n=9)), mean_texts(Interval(0.1, 0.0, 0.3, n=9))
    (('50.00', '±10.00'), ('10.00', '[0.00, 30.00]'))
    """
    mean, low, high = (PERCENT * value for value in interval[:3])
    if math.isnan(low):
        return f"{mean:.2f}", ""
    between = f"[{low:.2f}, {high:.2f}]" if lopsided(interval) else f"±{(high - low) / 2:.2f}"
    return f"{mean:.2f}", between


def difference_text(paired: PairedDifference) -> str:
    """Return a difference with its interval, times 100, as text."""
    mean, low, high = (PERCENT * value for value in paired.interval[:3])
    if math.isnan(low):
        return f"{mean:+.2f}"
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def p_text(p: float) -> str:
    """Return a p-value as text.

    >>> p_text(0.00012), p_text(0.2571)
    ('0.0001', '0.2571')
    """
    return "–" if math.isnan(p) else f"{p:.4f}"


def counters_text(row: TableRow) -> str:
    """Return the counters of a row that are not zero, as text."""
    shown = {name: count for name, count in row.counters.items() if name != "rankings" and count}
    return ", ".join(f"{name} {count:,}" for name, count in shown.items())


def costs_text(row: TableRow) -> str:
    """Return the known costs of a ranking as text."""
    costs, parts = row.costs, []
    tokens = [costs.get(f"{name}/ranking") for name in ("tokens_in", "tokens_out")]
    if tokens[0] is not None and tokens[1] is not None:
        parts.append(f"{tokens[0]:,.0f} + {tokens[1]:,.0f} tokens")
    seconds, usd = costs.get("seconds/ranking"), costs.get("usd/ranking")
    if seconds is not None:
        parts.append(f"{seconds:.2g} s")
    if usd is not None:
        parts.append(f"${usd:.5f}")
    return ", ".join(parts)


def markdown(table: Table, reference: str | None = None) -> str:
    """Return the table in Markdown, with the difference of each row from a reference row."""
    metrics = shown_metrics(table)
    against = table.against(reference) if table.rows else {}
    name = reference or (table.reference if table.rows else "")
    head = ["", *map(title, metrics), f"{title(table.headline)} against {name}", "p"]
    lines = [
        [
            row.name,
            *(" ".join(mean_texts(row.metrics[metric])).strip() for metric in metrics),
            *(
                (difference_text(against[row.name]), p_text(against[row.name].p))
                if row.name in against
                else ("", "")
            ),
        ]
        for row in table.rows
    ]
    text = _pipes(head, lines)
    if notes := [row for row in table.rows if counters_text(row) or costs_text(row)]:
        text += "\n" + _pipes(
            ["", "a ranking takes", "counted"],
            [[row.name, costs_text(row), counters_text(row) or "nothing"] for row in notes],
        )
    return f"{text}\n{caption(table)}\n"


def put_into(page: Path, name: str, text: str) -> None:
    """Replace the text between `<!-- name -->` and `<!-- /name -->` in a page.

    Raises:
        ConfigError: The page has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    new, count = pattern.subn(lambda _: f"{begin}\n{text}\n{end}", page.read_text("utf-8"))
    if not count:
        raise ConfigError(
            f'{page} has no place for "{name}"', hint=f"write {begin} and {end} where it belongs"
        )
    page.write_text(new, "utf-8")


def caption(table: Table) -> str:
    """Return one or two sentences about how the values were computed."""
    about, protocol = table.about, table.about["protocol"]
    shown = ", ".join(protocol["signals"]) or "attributes only"
    return (
        f"Times 100, ± half of the 95 % bootstrap interval over users, [low, high] a lopsided "
        f"one; p from paired permutation tests. {protocol['name']} on {about['dataset']}: "
        f"{about['counts']['users']:,} users, "
        f"{protocol['candidates']} candidates, {protocol['draws']} draws, negatives "
        f"{protocol['negatives']}, cards show {shown}, {protocol['users']['mode']} users, seed "
        f"{about['seed']}; candidate lists {about['exam'][:12]}, table {table.digest[:12]}."
    )


def comma_separated(table: Table) -> str:
    """Return the table as CSV: means and bounds between 0 and 1, counters and costs."""
    out = io.StringIO()
    rows = table.rows
    metrics = list(rows[0].metrics) if rows else []
    counters = list(dict.fromkeys(name for row in rows for name in row.counters))
    costs = list(dict.fromkeys(name for row in rows for name in row.costs))
    bounds = [f"{metric}{bound}" for metric in metrics for bound in ("", " low", " high")]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["name", *bounds, *counters, *costs])
    for row in rows:
        intervals = [row.metrics[metric] for metric in metrics]
        values = [value for interval in intervals for value in interval[:3]]
        writer.writerow(
            [
                row.name,
                *(f"{value:.6f}" for value in values),
                *(row.counters.get(name, "") for name in counters),
                *(_cost_text(row.costs, name) for name in costs),
            ]
        )
    return out.getvalue()


def latex(table: Table) -> str:
    """Return the table in LaTeX (booktabs); the best mean of each column is bold."""
    rows, metrics = table.rows, shown_metrics(table)
    best = {
        metric: max(row.metrics[metric].mean for row in rows if row.how.get("floor") != "oracle")
        for metric in metrics
    }
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}",
        r"\toprule",
        " & ".join(["", *map(title, metrics)]) + r" \\",
        r"\midrule",
    ]
    for row in rows:
        cells = []
        for metric in metrics:
            interval = row.metrics[metric]
            mean, between = mean_texts(interval)
            between = between.replace("±", r"$\pm$")
            shown = rf"\textbf{{{mean}}}" if interval.mean == best[metric] else mean
            cells.append(shown + (rf" {{\scriptsize {between}}}" if between else ""))
        lines.append(" & ".join([_escaped(row.name), *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", f"% {caption(table)}"]
    return "\n".join(lines) + "\n"


def _cost_text(costs: Mapping[str, float | None], name: str) -> str:
    value = costs.get(name)
    return "" if value is None else f"{value:.8g}"


def _pipes(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [list(head), ["---"] * len(head), *map(list, lines)]
    return "".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in line) + " |\n" for line in cells
    )


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    return text
