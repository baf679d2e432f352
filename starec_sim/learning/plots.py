"""The plot of a training: rewards, validations, and what a policy may exploit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starec_sim.plot_style import COLOURS, new_figure, plot_style, save_figure
from starec_sim.visible_text import visible_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS: Mapping[str, tuple[str, ...]] = {
    "reward": ("reward.*",),
    "components of the reward": ("components.*",),
    "divergence from the reference policy (nats)": ("kl",),
    "entropy (nats)": ("entropy",),
    "clipped, distance of the ratio from 1": ("clip_share", "ratio_gap"),
    "equal groups, distinct answers": ("zero_variance", "distinct"),
    "malformed and empty": ("counters.*malformed", "counters.*empty"),
    "length (tokens)": ("counters.*length",),
    "agreement with the input order": ("counters.*input order",),
    "loss": ("loss",),
}
_VALIDATED = ("ndcg@1", "ndcg@10", "satisfaction", "malformed")


def plot_training(entries: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Write the plot.

    Args:
        entries: The log of steps, see `starec_sim.learning.checkpoints`.
        title: The title.
        path: The file: .pdf, .svg or .png.

    Raises:
        OSError: The file cannot be written.
    """
    with plot_style():
        save_figure(_draw(entries, title), path)


def _draw(entries: Sequence[Mapping[str, Any]], title: str) -> Figure:
    panels = {name: _series(entries, keys) for name, keys in _PANELS.items()}
    panels = {name: series for name, series in panels.items() if series}
    validations = [entry for entry in entries if "validation" in entry]
    curves = {"users never trained on (95 %)": _validated(validations), **_audited(validations)}
    curves = {name: lines for name, lines in curves.items() if lines}
    count = len(panels) + len(curves)
    columns = min(3, count)
    rows = math.ceil(count / columns)
    canvas = new_figure(4.4 * columns, 2.7 * rows + 0.4)
    axes = list(canvas.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[count:]:
        axis.set_visible(False)
    for name, lines in curves.items():
        _draw_curves(axes.pop(0), name, lines)
    for axis, (name, series) in zip(axes, panels.items(), strict=False):
        for colour, (label, points) in zip(COLOURS, series.items(), strict=False):
            axis.plot(*zip(*points, strict=True), color=colour, lw=1.4, label=label)
        _style_axis(axis, name, legend=len(series) > 1)
    canvas.suptitle(visible_line(title), x=0.01, ha="left", fontweight="bold", parse_math=False)
    canvas.supxlabel("step", fontsize=9, color="#555555")
    return canvas


def _series(
    entries: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> dict[str, list[tuple[float, float]]]:
    """Return points by label; those of SFT stand before step 0."""
    sft_steps = sum(entry["stage"] == "sft" for entry in entries)
    found: dict[str, list[tuple[float, float]]] = {}
    for entry in entries:
        at = entry["step"] - sft_steps if entry["stage"] == "sft" else entry["step"]
        for key in keys:
            name, _, ending = key.partition(".*")
            values = entry.get(name)
            if isinstance(values, Mapping):
                chosen = {label: v for label, v in values.items() if label.endswith(ending)}
            else:
                chosen = {name: values}
            for label, value in chosen.items():
                if isinstance(value, int | float) and math.isfinite(value):
                    found.setdefault(visible_line(label).replace("_", " "), []).append((at, value))
    return found


_Curve = list[tuple[int, Mapping[str, float]]]
"""Intervals by step."""


def _validated(validations: Sequence[Mapping[str, Any]]) -> dict[str, _Curve]:
    """Return the curves of the metrics that every validation has."""
    found = {
        name: [(entry["step"], entry["validation"].get(name)) for entry in validations]
        for name in _VALIDATED
    }
    return {name: curve for name, curve in found.items() if all(at for _, at in curve)}


def _audited(validations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, _Curve]]:
    """Return the fidelity curves of each audit, under the title of their panel."""
    panels: dict[str, dict[str, _Curve]] = {}
    for entry in validations:
        for audit, metrics in entry.get("audits", {}).items():
            curves = panels.setdefault(f"audit {audit} (95 %)", {})
            for metric, interval in metrics.items():
                curves.setdefault(metric, []).append((entry["step"], interval))
    return panels


def _draw_curves(axis: Axes, title: str, curves: Mapping[str, _Curve]) -> None:
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        steps = [step for step, _ in curve]
        means, low, high = ([at[key] for _, at in curve] for key in ("mean", "low", "high"))
        label = visible_line(name)
        axis.plot(steps, means, color=colour, marker="o", ms=3, label=label)
        axis.fill_between(steps, low, high, color=colour, alpha=0.13, lw=0)
    _style_axis(axis, visible_line(title), legend=True)


def _style_axis(axis: Axes, name: str, *, legend: bool) -> None:
    axis.set_title(name, fontsize=10)
    axis.grid(axis="y")
    axis.locator_params(axis="x", integer=True)  # there is no half a step
    axis.tick_params(labelsize=8, color="#999999")
    if legend:
        for text in axis.legend(fontsize=7).get_texts():
            text.set_parse_math(False)
