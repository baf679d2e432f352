"""How policies without a model act on a page, given how much they want each item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from starec_sim.answers import ShownAct
from starec_sim.answers.tags import ACTIONS, NEXT, block, tagged
from starec_sim.tasks import LEAVE, SKIP, STAY


class Wish(NamedTuple):
    """How much a user wants an item of a page."""

    label: str
    strength: float
    """From 0; 1 and more is the strongest."""
    stars: int
    """Those that she expects, 1 to 5."""
    chosen: bool
    """Whether she does anything with it."""


def act_on(wishes: Sequence[Wish], acts: Sequence[ShownAct]) -> str:
    r"""Return the part of an answer that acts on a page, and stays if anything was chosen.

    Args:
        wishes: One for each item, in shown order.
        acts: What can be done besides skipping, from the weakest interest to the strongest. A
            wish of strength 0 gets the first, one of 1 the last, others those between.

    >>> act_on([Wish("A", 0.2, 4, True)], [ShownAct("look at", 9), ShownAct("buy 2", 9)])
    '<actions>\nA: look at\n</actions>\n<next>stay</next>'
    """
    times: Counter[int] = Counter()
    said = {wish.label: SKIP for wish in wishes}
    # Where an action is limited, the strongest wishes get it.
    for wish in sorted(wishes, key=lambda wish: -wish.strength):
        if not wish.chosen:
            continue
        strongest = min(len(acts) - 1, int(wish.strength * len(acts)))
        for at in range(strongest, -1, -1):
            if times[at] < acts[at].at_most:
                times[at] += 1
                said[wish.label] = _said(acts[at], wish.stars)
                break
    lines = "\n".join(f"{label}: {act}" for label, act in said.items())
    chosen = any(act != SKIP for act in said.values())
    return f"{block(ACTIONS, lines)}\n{tagged(NEXT, STAY if chosen else LEAVE)}"


def _said(act: ShownAct, stars: int) -> str:
    if act.stars is None:
        return act.example
    low, high = act.stars
    return f"{act.example.rpartition(' ')[0]} {min(high, max(low, stars))}"
