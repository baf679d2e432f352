"""One picture of a run: a panel for each metric, a line for each arm."""

from __future__ import annotations

import math
from pathlib import Path

from starec_sim.glossary import entry
from starec_sim.report import Report

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
"""Okabe and Ito's palette: told apart by everybody."""
_UNEVENTFUL = ("malformed", "repaired")
"""Shown only when there is something to see."""


def plot_report(report: Report, title: str, path: Path) -> bool:
    """Write the picture, and say whether there was anything to draw."""
    # The object interface of matplotlib needs no display and leaves no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    arms = list(report.figures)
    names = [
        name
        for name in (report.figures[arms[0]] if arms else ())
        if name not in _UNEVENTFUL or any(any(f[name].series) for f in report.figures.values())
    ]
    if not names:
        return False
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    canvas = Canvas(figsize=(4.2 * columns, 2.7 * rows + 0.9), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(rows, columns, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        for colour, arm in zip(_COLOURS * len(arms), arms, strict=False):
            figure = report.figures[arm].get(name)
            if figure is None:
                continue
            rounds = range(1, len(figure.series) + 1)
            axis.plot(rounds, figure.series, color=colour, label=arm, lw=1.8)
            low = [mean - half for mean, half in zip(figure.series, figure.halves, strict=True)]
            high = [mean + half for mean, half in zip(figure.series, figure.halves, strict=True)]
            axis.fill_between(rounds, low, high, color=colour, alpha=0.15, lw=0)
        axis.set_title(entry(name).label, fontsize=11, loc="left", fontweight="bold")
        axis.set_xlabel(entry(name).meaning, fontsize=7.5, color="#555555")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e5e5e5", lw=0.7)
        axis.tick_params(labelsize=8)
        axis.xaxis.get_major_locator().set_params(integer=True)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper right", ncols=len(arms), frameon=False)
    canvas.suptitle(f"{title}   (by round; bands: 95 %)", x=0.01, ha="left", fontsize=11)
    canvas.savefig(path, dpi=110, metadata={"Software": None})
    return True
