"""Metrics of the actions that an environment declares itself, one value for each visit.

| metric | what it is |
|---|---|
| `rate:KIND` | items on which the action was done / items shown where it could be done |
| `mean:KIND` | mean of its argument, for actions with an amount; NaN where it was not done |
| `sum:COMPONENT` | sum of a component of the reward over the visit |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from starec_sim.glossary import OF_ACTIONS
from starec_sim.tasks import FEED, Amount
from starec_sim.types import FloatArray, Step, Visit

RATE, MEAN, SUM = OF_ACTIONS


def action_metrics(visits: Sequence[Visit]) -> dict[str, FloatArray]:
    """Return the metrics by name, each of shape (visits,); none where all visits are of a feed."""
    if all(step.observation.task == FEED for visit in visits for step in visit.steps):
        return {}
    by_visit = [_of_visit(visit.steps) for visit in visits]
    names = dict.fromkeys(name for values in by_visit for name in values)
    return {
        name: np.array([values.get(name, np.nan) for values in by_visit], np.float64)
        for name in names
    }


def _of_visit(steps: Sequence[Step]) -> dict[str, float]:
    shown, times = Counter[str](), Counter[str]()
    amounts: dict[str, list[float]] = {}
    rewards: dict[str, float] = {}
    for step in steps:
        task = step.observation.task
        for kind in task.actions:
            shown[kind.name] += len(step.observation.slate)
            if isinstance(kind.argument, Amount):
                amounts.setdefault(kind.name, [])
        for action in step.decision.actions:
            if action.done:
                times[action.kind] += 1
                if isinstance(action.value, float):
                    amounts[action.kind].append(action.value)
        for name, value in step.feedback.reward.items():
            rewards[name] = rewards.get(name, 0.0) + value
    return {
        **{RATE + _word(kind): times[kind] / count for kind, count in shown.items()},
        **{
            MEAN + _word(kind): sum(values) / len(values) if values else float("nan")
            for kind, values in amounts.items()
        },
        **{SUM + _word(name): value for name, value in rewards.items()},
    }


def _word(name: str) -> str:
    return name.replace(" ", "_")
