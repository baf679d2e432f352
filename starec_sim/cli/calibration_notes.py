"""What is to be said below the table of a calibration: what was clipped, and missing intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from starec_sim.visible_text import counted, visible

if TYPE_CHECKING:
    from starec_sim.population.estimators import CalibratedMetric, SeedWithoutSpread

_ENDS = {"mean": "estimate", "low": "lower end", "high": "upper end"}
_NAMED = 3
"""Seeds that a note names; it counts the others."""


def calibration_notes(metrics: Mapping[str, CalibratedMetric]) -> list[str]:
    """Return the notes below a table of metrics, given by their labels."""
    notes = []
    if clipped := [_clipped(label, metric) for label, metric in metrics.items() if metric.clipped]:
        notes.append(
            "* lay outside of the values that the metric can have, and was clipped to them: "
            + "; ".join(clipped)
        )
    by_note: dict[tuple[str, str], list[str]] = defaultdict(list)
    for label, metric in metrics.items():
        for begin, end in _intervals(metric):
            by_note[begin, end].append(visible(label))
    notes += [f"{begin} {', '.join(labels)}: {end}" for (begin, end), labels in by_note.items()]
    return notes


def _clipped(label: str, metric: CalibratedMetric) -> str:
    ends: dict[str, list[str]] = defaultdict(list)
    for name in metric.clipped:
        column, _, end = name.partition(".")
        ends[column].append(_ENDS[end])
    each = ", ".join(f"{column} ({', '.join(of)})" for column, of in ends.items())
    return f"{visible(label)} {each}"


def _intervals(metric: CalibratedMetric) -> list[tuple[str, str]]:
    """Return how notes about missing intervals begin and end; between them stand the metrics."""
    equal, one, none = (
        [seed for seed in metric.seeds if seed.why == why]
        for why in ("equal", "one user", "no user")
    )
    left_out = f"; no user has a value of both kinds in {_seeds(none)}" if none else ""
    if math.isnan(metric.bias.low):
        why = [f"all differences are equal in {_seeds(equal)}"] if equal else []
        why += [f"one user has a value in {_seeds(one)}"] if one else []
        said = " and ".join(why) + left_out
        return [("No interval for", f"{said}. This does not say how much other users differ.")]
    notes = []
    if one:
        said = f"one user has a value in {_seeds(one)}; how much users differ is taken from the "
        notes.append(("Interval of", f"{said}other seeds{left_out}."))
    elif none:
        notes.append(("Without some seeds,", left_out.removeprefix("; ") + "."))
    if math.isnan(metric.corrected.low):
        said = "the costly kind follows the cheap one exactly in the users whom both played."
        if "corrected.mean" in metric.clipped:
            said = "all of it lies outside of these values; more users in the calibration help."
        notes.append(("No corrected interval for", said))
    return notes


def _seeds(seeds: Sequence[SeedWithoutSpread]) -> str:
    named = ", ".join(
        f"seed {each.seed} ({counted(each.users, 'user')})" for each in seeds[:_NAMED]
    )
    more = len(seeds) - _NAMED
    return f"{named} and {counted(more, 'more seed')}" if more > 0 else named
