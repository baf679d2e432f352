"""What the spaces of a Gymnasium environment mean to a user: a slate, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from starec_sim.errors import ConfigError
from starec_sim.tasks import RANKING, SKIP, ActionKind, Task
from starec_sim.types import Decision, IntArray

_CHOICE = "choice"
"""The user chooses one place of the slate."""
_KINDS = "kinds"
"""She does one of several things with each place."""
_OWN = "write an environment of your own that wraps it: docs/plugins.md"


@dataclass(frozen=True)
class SlateSpaces:
    """How slates are read from observations, and decisions become actions."""

    task: Task
    n_items: int
    places: int
    key: str
    """The key of the observation that holds the slate; empty where it is the observation."""
    form: str
    """`choice` or `kinds`."""

    @classmethod
    def of(cls, env: Any, key: str, names: Sequence[str]) -> SlateSpaces:
        """Read the spaces of an environment.

        Args:
            env: A Gymnasium environment.
            key: See `key`.
            names: What the numbers 1, 2, ... of an action mean.

        Raises:
            ConfigError: They hold no slate, or an action that cannot be read.
        """
        n_items, places = _slate_space(env.observation_space, key)
        kinds, form = _kinds(env.action_space, places)
        if form == _CHOICE:
            return cls(RANKING, n_items, places, key, form)
        if kinds != len(names) + 1:
            raise ConfigError(
                f"environment.actions: {len(names)} names ({', '.join(names)}), and the action "
                f"space {env.action_space} has {kinds} numbers for each place",
                hint=f"give {kinds - 1} names; 0 is always {SKIP}",
            )
        try:
            task = Task(
                "gymnasium", tuple(map(ActionKind, names)), scene="You see a list of items."
            )
        except ValueError as error:
            raise ConfigError(
                f"environment.actions: {error}", hint="e.g. [watch], or [look at, buy]"
            ) from None
        return cls(task, n_items, places, key, form)

    def slate(self, observation: Any) -> tuple[int, ...]:
        """Return the item of each place; less than 0 where it is empty."""
        rows: IntArray = np.asarray(observation[self.key] if self.key else observation)
        return tuple(int(row) for row in rows.ravel())

    def action(self, slate: Sequence[int], decision: Decision) -> int | tuple[int, ...]:
        """Return the action that a decision means.

        Args:
            slate: The item of each place.
            decision: Of the user.
        """
        if self.form == _CHOICE:
            return slate.index(decision.ranking[0])
        numbers = {name: number for number, name in enumerate(self.task.kinds)}
        done = {action.item: numbers[action.kind] for action in decision.actions}
        return tuple(done.get(item, 0) for item in slate)


def native(action: int | tuple[int, ...]) -> Any:
    """Return an action as an environment of Gymnasium takes it."""
    return action if isinstance(action, int) else np.array(action, np.int64)


def _slate_space(space: Any, key: str) -> tuple[int, int]:
    """Return the number of items and of places."""
    from gymnasium import spaces

    if key and not (isinstance(space, spaces.Dict) and key in space.spaces):
        known = (
            ", ".join(space.spaces) if isinstance(space, spaces.Dict) else f"it is {_text(space)}"
        )
        raise ConfigError(
            f'environment.slate: the observation has no key "{key}" ({known})',
            hint='name the key that holds the items shown, or write slate: ""',
        )
    slate = space[key] if key else space
    if isinstance(slate, spaces.MultiDiscrete) and slate.nvec.ndim == 1:
        return int(slate.nvec.max()), len(slate.nvec)
    if isinstance(slate, spaces.Box) and len(slate.shape) == 1 and slate.dtype.kind in "iu":
        high = int(slate.high.max())
        if 0 <= high < 10_000_000:
            return high + 1, slate.shape[0]
    raise ConfigError(
        f"environment.slate: {_text(slate)} holds no slate; a slate is a MultiDiscrete, or a Box "
        "of whole numbers with one axis, whose highest number is the last item",
        hint=_OWN,
    )


def _kinds(space: Any, places: int) -> tuple[int, str]:
    """Return how many numbers an action has for a place, and its form."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete) and space.n == places and space.start == 0:
        return 0, _CHOICE
    if isinstance(space, spaces.MultiBinary) and space.shape == (places,):
        return 2, _KINDS
    numbers = space.nvec.ravel().tolist() if isinstance(space, spaces.MultiDiscrete) else []
    if len(numbers) == places and len(set(numbers)) == 1:
        return numbers[0], _KINDS
    raise ConfigError(
        f"environment.id: what a user can do is {space}, for a slate of {places} places; it must "
        f"be Discrete({places}) to choose one, MultiBinary({places}), or a MultiDiscrete with one "
        "number for each place",
        hint=_OWN,
    )


def _text(space: Any) -> str:
    return " ".join(str(space).split())
