"""Plot a table: two panels of bars with intervals, one for each of two metrics."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from starec_sim.evaluation.render import PERCENT, title
from starec_sim.evaluation.table import Table, TableRow
from starec_sim.plot_style import new_figure, plot_style, save_figure
from starec_sim.visible_text import visible_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"floor": "#9a9a9a", "recommender": "#0072B2", "agent": "#D55E00"}
_MEANINGS = {
    "floor": "knows nothing, or everything",
    "recommender": "recommender",
    "agent": "agent",
}


def plot_table(table: Table, path: Path) -> bool:
    """Plot a table as a file (.pdf, .svg or .png), and return whether it has rows.

    Raises:
        OSError: The file cannot be written.
    """
    if not table.rows:
        return False
    with plot_style():
        save_figure(_draw(table), path, dpi=130)
    return True


def _draw(table: Table) -> Figure:
    from matplotlib.patches import Patch

    metrics = [name for name in table.rows[0].metrics if name.startswith("ndcg")]
    metrics = [metrics[0], table.headline] if len(metrics) > 1 else metrics
    height = 0.27 * len(table.rows) + 1.3
    canvas = new_figure(4.6 * len(metrics) + 1.4, height)
    axes = canvas.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    places = range(len(table.rows))
    for axis, metric in zip(axes, metrics, strict=True):
        for place, row in zip(places, table.rows, strict=True):
            _bar(axis, place, row, metric)
        axis.set_title(f"{title(metric)} × 100", fontsize=10)
        axis.spines["left"].set_visible(False)
        axis.grid(axis="x")
        axis.tick_params(labelsize=8.5, length=0)
        axis.set_xlim(left=0)
        axis.margins(y=0.02)
    names = [visible_line(row.name) for row in table.rows]
    axes[0].set_yticks(list(places), names, parse_math=False)
    axes[0].invert_yaxis()
    kinds = list(dict.fromkeys(row.kind for row in table.rows))
    about = (
        f"{table.about['protocol']['name']} on {table.about['dataset']}, "
        f"{table.about['counts']['users']:,} users, seed {table.about['seed']}"
    )
    legend = canvas.legend(
        [Patch(color=_COLOURS[kind]) for kind in kinds],
        [_MEANINGS[kind] for kind in kinds],
        loc="outside upper left",
        ncols=len(kinds),
        fontsize=8.5,
        title=visible_line(about),
        alignment="left",
        title_fontproperties={"size": 11, "weight": "bold"},
    )
    legend.get_title().set_parse_math(False)
    canvas.supxlabel("whiskers: 95 % bootstrap interval over users", fontsize=8, color="#555555")
    return canvas


def _bar(axis: Axes, place: int, row: TableRow, metric: str) -> None:
    """Draw the bar of a row with its interval and its value."""
    interval = row.metrics[metric]
    mean = PERCENT * interval.mean
    axis.barh(place, mean, height=0.62, color=_COLOURS[row.kind], alpha=0.85)
    high = mean
    if not math.isnan(interval.high):
        low, high = PERCENT * interval.low, PERCENT * interval.high
        axis.errorbar(
            mean,
            place,
            xerr=[[mean - low], [high - mean]],
            color="#222222",
            elinewidth=1.1,
            capsize=2.5,
        )
    axis.annotate(
        f"{mean:.1f}",
        (high, place),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color="#333333",
    )
