"""Plot a run: one panel for each metric, one line for each arm."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from starec_sim.glossary import metric_info
from starec_sim.report import MetricSummary, RunReport
from starec_sim.visible_text import visible_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
"""The palette of Okabe and Ito, which colour-blind people can distinguish."""
_MARKED = 25
"""Lines have a dot for each round in runs with at most this number of rounds."""


def plot_report(report: RunReport, title: str, path: Path) -> bool:
    """Plot the metrics of a run, and return whether there are any.

    Args:
        report: The report of the run.
        title: The title of the plot.
        path: The PNG file that is written.

    Raises:
        OSError: The file cannot be written.
    """
    # The object interface of matplotlib needs no display and leaves no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    arms, names = list(report.metrics), report.names()
    if not names:
        return False
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    canvas = Figure(figsize=(4.2 * columns, 2.6 * rows + 0.9), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(rows, columns, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        for number, arm in enumerate(arms):
            if name in report.metrics[arm]:
                colour = _COLOURS[number % len(_COLOURS)]
                _draw_line(axis, report.metrics[arm][name], metric_info(name).bounds, colour, arm)
        _style(axis, name)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    # matplotlib would leave out labels that begin with "_".
    lines = {line.get_gid(): line for axis in axes.flat for line in axis.lines}
    drawn = [arm for arm in arms if arm in lines]
    legend = canvas.legend(
        [lines[arm] for arm in drawn],
        [visible_line(arm) for arm in drawn],
        loc="outside upper left",
        ncols=2 * columns,
        frameon=False,
        fontsize=11,
        title=visible_line(title),
        alignment="left",
        title_fontproperties={"size": 13, "weight": "bold"},
    )
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)  # a name with $ is no formula
    canvas.supxlabel("round   (bands: 95 % interval of the mean)", fontsize=9, color="#555555")
    canvas.savefig(path, dpi=110, metadata={"Software": None})
    return True


def _draw_line(
    axis: Axes, summary: MetricSummary, bounds: tuple[float, float], colour: str, arm: str
) -> None:
    rounds = range(1, len(summary.series) + 1)
    marker = "o" if len(rounds) <= _MARKED else ""
    axis.plot(rounds, summary.series, color=colour, gid=arm, lw=1.8, marker=marker, ms=3.5)
    mean, half = np.array(summary.series), np.array(summary.halves)
    # Student's interval can reach beyond the values that the metric can have.
    low, high = np.clip(mean - half, *bounds), np.clip(mean + half, *bounds)
    axis.fill_between(rounds, low, high, color=colour, alpha=0.13, lw=0)


def _style(axis: Axes, name: str) -> None:
    """Set title, meaning and axes of the panel of a metric."""
    from matplotlib.ticker import MaxNLocator

    info = metric_info(name)
    axis.set_title(
        visible_line(info.label),
        fontsize=11,
        loc="left",
        fontweight="bold",
        pad=18,
        parse_math=False,
    )
    axis.annotate(
        visible_line(info.meaning),
        (0, 1),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        color="#555555",
        parse_math=False,
    )
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#999999")
    axis.grid(axis="y", color="#e5e5e5", lw=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, color="#999999")
    axis.margins(x=0.03)
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    # Otherwise the axis of a constant line would show rounding errors.
    low, high = axis.get_ylim()
    if high - low < 0.02:
        middle = (low + high) / 2
        axis.set_ylim(middle - 0.01, middle + 0.01)
