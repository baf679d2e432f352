"""Plot a run: one panel for each metric, one line for each arm."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from starec_sim.glossary import metric_info
from starec_sim.plot_style import COLOURS, new_figure, plot_style, save_figure
from starec_sim.report import MetricSummary, RunReport
from starec_sim.visible_text import visible_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKED = 25
"""Lines have a dot for each round in runs with at most this number of rounds."""


def plot_report(report: RunReport, title: str, path: Path) -> bool:
    """Plot the metrics of a run, and return whether there are any.

    Args:
        report: The report of the run.
        title: The title of the plot.
        path: The file that is written: .pdf, .svg or .png.

    Raises:
        OSError: The file cannot be written.
    """
    if not report.names():
        return False
    with plot_style():
        save_figure(_draw(report, title), path)
    return True


def _draw(report: RunReport, title: str) -> Figure:
    arms, names = list(report.metrics), report.names()
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    canvas = new_figure(4.2 * columns, 2.6 * rows + 0.9)
    axes = canvas.subplots(rows, columns, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        for number, arm in enumerate(arms):
            if name in report.metrics[arm]:
                colour = COLOURS[number % len(COLOURS)]
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
        fontsize=11,
        title=visible_line(title),
        alignment="left",
        title_fontproperties={"size": 13, "weight": "bold"},
    )
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)  # a name with $ is no formula
    canvas.supxlabel("round   (bands: 95 % interval of the mean)", fontsize=9, color="#555555")
    return canvas


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
    axis.set_title(visible_line(info.label), fontsize=11, pad=18, parse_math=False)
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
    axis.spines[["left", "bottom"]].set_color("#999999")
    axis.grid(axis="y")
    axis.tick_params(labelsize=8, color="#999999")
    axis.margins(x=0.03)
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    # Otherwise the axis of a constant line would show rounding errors.
    low, high = axis.get_ylim()
    if high - low < 0.02:
        middle = (low + high) / 2
        axis.set_ylim(middle - 0.01, middle + 0.01)
