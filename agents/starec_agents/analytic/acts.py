"""What an analytic user does with the items that she chose: the actions of a task."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from starec_sim.errors import ConfigError
from starec_sim.tasks import STARS, Act, ActionKind, Amount, FreeText, Task
from starec_sim.types import Action

STRONGEST = 1.0
"""A wish this many stars above `nothing` gets the strongest action."""


class PossibleAct(NamedTuple):
    """An action that needs no text of her own."""

    act: Act
    stars: Amount | None
    """The range of the stars that it gives; None where its argument is something else."""
    at_most: int | None


def actions_on(
    task: Task, slate: Sequence[int], worth: Sequence[float], strengths: Sequence[float | None]
) -> tuple[Action, ...]:
    """Return an action for each item of a page, in shown order.

    Where an action is limited, the strongest wishes get it.

    Args:
        task: What can be done.
        slate: The items.
        worth: The stars that she expects of each.
        strengths: How much she wants each item, from 0; None for one that she did not choose.
    """
    possible = possible_acts(task)
    times: dict[int, int] = {}
    done: dict[int, Action] = {}
    wishes = [(-wish, place) for place, wish in enumerate(strengths) if wish is not None]
    for wish, place in sorted(wishes):
        strongest = min(len(possible) - 1, int(-wish / STRONGEST * len(possible)))
        for at in range(strongest, -1, -1):
            limit = possible[at].at_most
            if limit is None or times.get(at, 0) < limit:
                times[at] = times.get(at, 0) + 1
                done[place] = _action(possible[at], slate[place], worth[place])
                break
    return tuple(done.get(place) or _skip(item) for place, item in enumerate(slate))


@lru_cache(maxsize=65_536)
def _skip(item: int) -> Action:
    """Return the action of leaving an item alone; nearly every one is this."""
    return Action(item)


def _action(possible: PossibleAct, item: int, worth: float) -> Action:
    kind, value = possible.act
    if possible.stars is not None:
        value = float(min(possible.stars.high, max(possible.stars.low, round(worth))))
    return Action(item, kind, value)


@lru_cache(maxsize=256)
def possible_acts(task: Task) -> tuple[PossibleAct, ...]:
    """Return what can be done with an item without a text, from the weakest interest on.

    An amount that is no number of stars is that of the action's example, as is one of several
    words.

    Raises:
        ConfigError: Every action needs a text.
    """
    found = []
    for kind in task.actions:
        argument = kind.argument
        if isinstance(argument, FreeText) and not kind.optional:
            continue
        gives_stars = isinstance(argument, Amount) and argument.unit == STARS
        stars = argument if gives_stars and isinstance(argument, Amount) else None
        found.append(PossibleAct(_example(task, kind), stars, kind.at_most))
    if not found:
        names = ", ".join(kind.name for kind in task.actions)
        raise ConfigError(
            f'agent: analytic users write no texts, and every action of the task "{task.name}" '
            f"needs one: {names}",
            hint="use the agent `star` with a policy that writes",
        )
    return tuple(found)


def _example(task: Task, kind: ActionKind) -> Act:
    """Return an action as its example says it; without its argument where that is a text."""
    if isinstance(kind.argument, FreeText):
        return Act(kind.name)
    read = task.read_acts(kind.example)
    assert read is not None, "the example of an action is in its own form"
    return read[0]
