"""What a user can do in a task, as a space of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from starec_sim.action_arguments import Amount, FreeText, OneOf
from starec_sim.answers import labels, read_decision
from starec_sim.answers.tags import ACTIONS, NEXT, RANKING, block, tagged
from starec_sim.errors import ConfigError
from starec_sim.tasks import ActionKind, Task
from starec_sim.types import Decision, Observation


class UserActions:
    """The actions of a task as a space, and how an action of the space is read.

    A ranking is a score of each place. For other tasks an action has three parts: `kinds`, what is
    done with the item of each place; `amounts`, how much, from 0 for the least to 1 for the most,
    where the action has an amount (or one of several words); `next`, what follows the page.
    Actions that need a text are left out, and an item has one action.

    Args:
        task: What users are asked.
        places: Items of the longest slate.
    """

    def __init__(self, task: Task, places: int) -> None:
        self.task, self._places = task, places
        self._kinds = [kind for kind in task.kinds.values() if not _needs_text(kind)]
        self._moves = [kind for kind in task.moves.values() if not _needs_text(kind)]
        self.names = {"kinds": [k.name for k in self._kinds], "next": [k.name for k in self._moves]}
        """What the numbers of `kinds` and `next` stand for."""

    def space(self) -> spaces.Space[Any]:
        """Return a new space; each user has one of her own, with a generator of its own."""
        if self.task.ranks:
            return spaces.Box(0.0, 1.0, (self._places,), np.float32)
        parts = {
            "kinds": spaces.MultiDiscrete([len(self._kinds)] * self._places),
            "amounts": spaces.Box(0.0, 1.0, (self._places,), np.float32),
            "next": spaces.Discrete(len(self._moves)),
        }
        return spaces.Dict(parts)

    def decision(self, action: Any, shown: Observation) -> Decision:
        """Return what a user does. Places without an item are ignored.

        It is written as an answer of a model and read like one, so the limits of the task hold.
        """
        names = labels(len(shown.slate))
        if self.task.ranks:
            order = np.argsort(-np.asarray(action)[: len(names)], kind="stable")
            text = tagged(RANKING, " > ".join(names[place] for place in order))
        else:
            acts = zip(names, action["kinds"], action["amounts"], strict=False)
            lines = (f"{name}: {_said(self._kinds[n], x)}" for name, n, x in acts)
            move = _said(self._moves[int(action["next"])], 0.5)
            text = f"{block(ACTIONS, chr(10).join(lines))}\n{tagged(NEXT, move)}"
        return read_decision(text, shown)[0]


def one_task(observations: Sequence[Observation]) -> Task:
    """Return the task of all observations.

    Raises:
        ConfigError: There is none, or there are several.
    """
    tasks = {each.task for each in observations}
    if len(tasks) == 1:
        return tasks.pop()
    names = ", ".join(sorted(task.name for task in tasks)) or "no visitors"
    raise ConfigError(
        f"environment: the first round has {names}; a space of numbers is made for one task",
        hint="use actions='text', which reads the answer to any task",
    )


def _needs_text(kind: ActionKind) -> bool:
    return isinstance(kind.argument, FreeText) and not kind.optional


def _said(kind: ActionKind, share: float) -> str:
    """Return an action as an answer writes it; `share` says where in its range its argument is."""
    argument, share = kind.argument, float(share)
    if isinstance(argument, OneOf):
        options = argument.options
        return f"{kind.name} {options[min(int(share * len(options)), len(options) - 1)]}"
    if not isinstance(argument, Amount):
        return kind.name
    value = argument.low + share * (argument.high - argument.low)
    if not argument.whole:
        return f"{kind.name} {min(argument.high, round(value, 4)):.4f}"
    return f"{kind.name} {min(int(argument.high), max(int(np.ceil(argument.low)), round(value)))}"
