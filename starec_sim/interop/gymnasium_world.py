"""The environment `gymnasium`: our users live in a Gymnasium environment that shows slates.

    environment: {use: gymnasium, id: "my_package.shelves:Shelf-v0", users: 20, actions: [watch]}

A visit is an episode. What Gymnasium has no word for is read from the `info` of `reset` and `step`:

* `cards`: the text of each place of the slate that comes; without it a card says what the item is;
* `context`: what else the user knows, as text;
* `stars`: how each place of the slate before turned out, 1.0 to 5.0 or None; or `liked`, booleans.

Environments of ours are asked in any order and change nothing; one of Gymnasium only goes forward.
So what it answered is kept, and it is reset with the same seed and played again where another
action is tried. A visit of T pages costs T steps; G answers tried on each page cost up to
G T (T + 1) / 2.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, PluginError
from starec_sim.interop.gymnasium_spaces import SlateSpaces, native
from starec_sim.plugin_code import check_allowed, note_code
from starec_sim.plugins import load
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    IntArray,
    Item,
    Observation,
    Step,
    User,
    Visit,
)

_INSTALL = "pip install 'starec-sim[rl]'"


class GymnasiumWorld:
    """Users whose visits are episodes of a Gymnasium environment."""

    reward_names = ("reward",)

    class Config(Settings):
        """Which environment, and what its numbers mean."""

        id: str
        """A registered id (`Shelf-v0`, or `package.module:Shelf-v0`, which imports the module), or
        a class: `package.module:Class`, `file.py:Class`."""
        arguments: dict[str, Any] = Field(default={})
        """Keyword arguments of the environment."""
        users: int = Field(default=20, ge=1, le=1_000_000)
        """How many users there are; all visit in each round."""
        slate: str = "slate"
        """The key of the observation that holds the rows of the items shown; empty where the
        observation is the slate itself."""
        actions: list[str] = Field(default=["watch"])
        """What the numbers 1, 2, ... of an action mean; 0 is `skip`. Unused where the user chooses
        one item of the slate."""
        titles: list[str] = Field(default=[])
        """The title of each item; `item 1` and so on when empty. Unused where the environment has
        an attribute `items`, a list of `starec_sim.Item`."""
        pages: int = Field(default=50, ge=1, le=1000)
        """Pages after which a visit ends that the environment has not ended."""

        @field_validator("id")
        @classmethod
        def _code_may_be_loaded(cls, value: str) -> str:
            module, colon, name = value.rpartition(":")
            if colon and not name.isidentifier():
                check_allowed(value, module)
                note_code(value, module)
            return value

    def __init__(self, config: Config, dataset: Dataset | None, streams: Streams) -> None:
        self.config, self._streams = config, streams
        self._idle = [self._make()]
        self._spaces = SlateSpaces.of(self._idle[0], config.slate, config.actions)
        self.task = self._spaces.task
        self.users = [User(f"user-{row + 1}") for row in range(config.users)]
        self.items = self._catalogue()
        self.cards = [card(item) for item in self.items]
        self.popularity: IntArray = np.zeros(len(self.items), np.int64)
        self._round = 0
        self._episodes: dict[int, _Episode] = {}
        self._lock = threading.Lock()

    def _catalogue(self) -> list[Item]:
        """Return the items of the environment, if it has any, or items with the given titles."""
        n_items, titles = self._spaces.n_items, self.config.titles
        own = getattr(self._idle[0].unwrapped, "items", None)
        if own is not None and all(isinstance(item, Item) for item in own):
            found, at = list(own), f"the attribute `items` of {self.config.id}"
        else:
            titles = titles or [f"item {row + 1}" for row in range(n_items)]
            found = [Item(f"i{row + 1}", title) for row, title in enumerate(titles)]
            at = "environment.titles"
        if len(found) != n_items:
            raise ConfigError(
                f"{at}: {len(found)} items, and the slates of {self.config.id} have numbers for "
                f"{n_items}",
                hint="give one for each item, in the order of their rows",
            )
        return found

    def _make(self) -> Any:
        """Return a new Gymnasium environment."""
        try:
            import gymnasium
        except ImportError as error:
            raise PluginError(
                f"environment: it needs Gymnasium, which is not installed ({error})", hint=_INSTALL
            ) from None
        reference, arguments = self.config.id, self.config.arguments
        _, colon, name = reference.rpartition(":")
        if colon and name.isidentifier():
            return load("environments", reference, "environment.id")(**arguments)
        try:
            return gymnasium.make(reference, **arguments)
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            raise PluginError(
                f'environment.id: Gymnasium cannot make "{reference}": {error}',
                hint="write a registered id, package.module:Name-v0, or file.py:Class",
            ) from error

    def describe(self) -> Mapping[str, Any]:
        """Return the number of users and items, the id, and the task."""
        counts = {"users": len(self.users), "items": len(self.items)}
        return {**counts, "gymnasium": self.config.id, "task": self.task.name}

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return nothing."""
        return ()

    def begin_round(self, round: int) -> Sequence[int]:
        """Let everybody visit."""
        self._round = round
        self._free()
        return range(len(self.users))

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show what the environment shows after the actions so far."""
        said = self._after(user, self._taken(user, steps))
        slate = self._spaces.slate(said.observation)
        items = tuple(item for item in slate if item >= 0)
        texts = self._of_places(said.info, "cards")
        cards = tuple(
            self.cards[item] if texts is None else str(texts[place])
            for place, item in enumerate(slate)
            if item >= 0
        )
        context = str(said.info.get("context", ""))
        return Observation(self.task, items, cards, len(steps) + 1, context)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Take the step that a decision means."""
        taken = self._taken(user, steps)
        slate = self._spaces.slate(self._after(user, taken).observation)
        said = self._after(user, (*taken, self._spaces.action(slate, decision)))
        done = {action.item: action for action in decision.actions if action.done}
        chosen = done or dict.fromkeys(decision.chosen)
        experiences = tuple(
            self._experience(said.info, slate.index(item), item, action.kind if action else "")
            for item, action in chosen.items()
        )
        ending = "left" if decision.leave else "done" if said.ended else ""
        if not ending and len(steps) + 1 >= self.config.pages:
            ending = "pages"
        return Feedback(experiences, reward={"reward": said.reward}, ending=ending)

    def _experience(self, info: Mapping[str, Any], place: int, item: int, kind: str) -> Experience:
        stars, liked = self._of_places(info, "stars"), self._of_places(info, "liked")
        rating = None if stars is None or stars[place] is None else float(stars[place])
        like = None if liked is None else bool(liked[place])
        return Experience(item, rating, "world", action=kind if rating is None else "", like=like)

    def _of_places(self, info: Mapping[str, Any], name: str) -> Sequence[Any] | None:
        """Return what `info` says of each place, if it says anything."""
        values = info.get(name)
        if values is not None and len(values) != self._spaces.places:
            raise ConfigError(
                f'environment.id: info["{name}"] of {self.config.id} holds {len(values)} values, '
                f"and a slate has {self._spaces.places} places",
                hint="give one for each place, also for an empty one",
            )
        return values

    def _taken(self, user: int, steps: Sequence[Step]) -> _Actions:
        """Return the actions of the environment that the steps of a visit mean."""
        taken: _Actions = ()
        for step in steps:
            slate = self._spaces.slate(self._after(user, taken).observation)
            taken = (*taken, self._spaces.action(slate, step.decision))
        return taken

    def _after(self, user: int, actions: _Actions) -> _Said:
        """Return what the environment of a visit says after some actions."""
        with self._lock:
            if user not in self._episodes:
                seed = self._streams.integer("gymnasium", user=user, round=self._round)
                env = self._idle.pop() if self._idle else self._make()
                self._episodes[user] = _Episode(env, seed)
            return self._episodes[user].after(actions)

    def _free(self) -> None:
        self._idle += [episode.env for episode in self._episodes.values()]
        self._episodes = {}

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """End all episodes."""
        self._free()
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: an episode lasts no longer than its visit."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore nothing."""


_Actions = tuple[int | tuple[int, ...], ...]


class _Said(NamedTuple):
    """What a Gymnasium environment returned from `reset` or `step`."""

    observation: Any
    reward: float
    ended: bool
    info: Mapping[str, Any]


class _Episode:
    """One episode, and what was said after each of its actions."""

    def __init__(self, env: Any, seed: int) -> None:
        self.env, self._seed = env, seed
        self._taken: _Actions = ()
        self._said: list[_Said] = []
        self._reset()

    def _reset(self) -> None:
        observation, info = self.env.reset(seed=self._seed)
        self._taken, self._said = (), [_Said(*copy.deepcopy((observation, 0.0, False, info)))]

    def after(self, actions: _Actions) -> _Said:
        """Return what is said after some actions; play again where they are others than before."""
        same = min(len(actions), len(self._taken))
        if actions[:same] != self._taken[:same]:
            self._reset()
        for action in actions[len(self._taken) :]:
            observation, reward, terminated, truncated, info = self.env.step(native(action))
            ended = bool(terminated or truncated)
            said = copy.deepcopy((observation, float(reward), ended, info))
            self._taken, self._said = (*self._taken, action), [*self._said, _Said(*said)]
        return self._said[len(actions)]
