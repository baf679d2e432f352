"""The exam: a user lives through her last choices, then ranks lists that hold the answer.

Each round before the last replays one choice, as the `ranking` environment does, so that the agent
builds its memory with the gate as configured. In the last round the held-out item is ranked in all
of the exam's lists, one after the other; nothing is revealed in between, or afterwards. What may be
known before is defined in `starec_sim.holdout`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from starec_environments.ranking import reward
from starec_environments.signals import SignalNames, Signals
from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, DataError
from starec_sim.holdout import HoldOut, HoldOutSettings, UserLog
from starec_sim.holdout.candidates import file_digest, read_candidates
from starec_sim.rng import Streams
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    IntArray,
    Observation,
    Step,
    Task,
    User,
    Visit,
)


class HoldOutEnvironment:
    """Replays a user's last choices, then examines her."""

    task: ClassVar[Task] = "ranking"

    class Config(HoldOutSettings):
        """The protocol, and with which memory users answer."""

    def __init__(self, config: Config, dataset: Dataset | None, streams: Streams) -> None:
        if dataset is None:
            raise DataError(
                "this environment needs data",
                hint="name a dataset under `data`, or pass --data synthetic",
            )
        self.config = config
        protocol = config.protocol
        given = None
        if config.candidates is not None:
            if config.candidates_sha256 not in (None, file_digest(config.candidates)):
                raise DataError(
                    f"{config.candidates} is not the file of candidates that the run began with",
                    hint="put it back as it was, or start a new run",
                )
            given = read_candidates(config.candidates)
        self.holdout = HoldOut(protocol, dataset, streams.seed, given)
        dataset = self.holdout.dataset
        self.items = dataset.items
        self.cards = [card(item) for item in dataset.items]
        self.popularity: IntArray = self.holdout.popularity
        self._streams = streams
        self._round = 0
        self._lives = self._lived()
        # A swapped user answers with the profile of the one whose life she lived.
        self.users = [
            dataset.users[own.row] if own is lived else _in_place_of(dataset, own, lived)
            for own, lived in zip(self.holdout.user_logs, self._lives, strict=True)
        ]
        self._signals = Signals(_signal_names(protocol.signals), dataset.items, len(dataset.users))
        self._signals.fit(self.holdout.training("full"))
        self._shown = [set(lists.ravel().tolist()) for lists in self.holdout.candidate_lists]
        self._check_catalogue()

    def _lived(self) -> list[UserLog]:
        """Return the life that each user lives before her exam: her own, or another's."""
        lives = list(self.holdout.user_logs)
        if self.config.memory == "own":
            return lives
        if len(lives) < 2:
            raise DataError(
                "memories cannot be swapped with a single user", hint="evaluate more users"
            )
        # A random cycle: nobody keeps her own.
        order = self._streams.stream("exam swap").permutation(len(lives))
        swapped = lives.copy()
        for place, user in enumerate(order.tolist()):
            swapped[user] = lives[order[place - 1]]
        return swapped

    def _check_catalogue(self) -> None:
        wanted = self.config.protocol.candidates - 1
        for life, shown in zip(self._lives, self._shown, strict=True):
            left = len(self.items) - len(shown | set(life.items.tolist()))
            if self._replayed(life) and left < wanted:
                raise DataError(
                    f"a user leaves {left} items that neither she touched nor her exam shows, "
                    f"not the {wanted} that a replayed choice needs",
                    hint="set `history: 0`, or lower `candidates` or `draws`, in a protocol of "
                    "your own",
                )

    def describe(self) -> Mapping[str, Any]:
        """Return what the exam says of itself, and what is particular to this row."""
        facts = {**self.holdout.describe(), "memory": self.config.memory}
        if self.config.memory == "swapped":
            # An item that the other user met stands in the borrowed history with her rating.
            facts["candidates in the borrowed past"] = sum(
                len(shown & set(life.items[: life.choices[-1]].tolist()))
                for shown, life in zip(self._shown, self._lives, strict=True)
            )
        return facts

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user lived through before her first replayed choice."""
        life = self._lives[user]
        return life.between(life.first, self._choices(life)[0])

    def _replayed(self, life: UserLog) -> int:
        most = self.config.protocol.history
        if self.config.replay is not None:
            most = min(most, self.config.replay)
        return min(most, len(life.choices) - 1)

    def _choices(self, life: UserLog) -> tuple[int, ...]:
        """Return the places of the replayed choices, and of the answer."""
        return life.choices[-1 - self._replayed(life) :]

    def begin_round(self, round: int) -> Sequence[int]:
        """Let those replay who have choices left for it; the exam is everybody's last round."""
        self._round = round
        last = self.config.protocol.history
        if round > last:
            return ()
        return [
            user for user, life in enumerate(self._lives) if self._replayed(life) >= last - round
        ]

    @property
    def _examining(self) -> bool:
        return self._round == self.config.protocol.history

    def _place(self, life: UserLog) -> tuple[int, int]:
        """Return the places up to which a life is known before the round, and of its choice."""
        choices = self._choices(life)
        index = len(choices) - 1 - (self.config.protocol.history - self._round)
        place = choices[index]
        if index == 0 or self._examining:
            return place, place
        return choices[index - 1] + 1, place

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the next of the exam's lists; before the exam, a choice among negatives."""
        life = self._lives[user]
        known, place = self._place(life)
        if self._examining:
            items = tuple(self.holdout.candidate_lists[user, len(steps)].tolist())
        else:
            items = self._replay(user, life, place)
        if self.config.protocol.signals:
            cards = self._signals.cards(items, life.likes(life.first, known))
        else:
            cards = tuple(self.cards[item] for item in items)
        return Observation("ranking", items, cards, page=len(steps) + 1)

    def _replay(self, user: int, life: UserLog, place: int) -> tuple[int, ...]:
        """Return a choice among items that the user never touched and that no exam list holds."""
        rng = self._streams.stream("exam replay", user=life.row, round=place)
        excluded, wanted = set(life.items.tolist()) | self._shown[user], self.config.protocol
        slate: dict[int, None] = {int(life.items[place]): None}
        while len(slate) < wanted.candidates:
            for item in rng.integers(len(self.items), size=2 * wanted.candidates).tolist():
                if item not in excluded and len(slate) < wanted.candidates:
                    slate[item] = None
        shuffled = np.array(list(slate))
        rng.shuffle(shuffled)
        return tuple(shuffled.tolist())

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal a replayed choice and what she did in between; in the exam, reveal nothing."""
        life = self._lives[user]
        if self._examining:
            answer = int(self.holdout.answers[user])
            over = len(steps) + 1 == self.config.protocol.draws
            earned = reward(decision, answer, len(observation.slate))
            return Feedback((), answer, earned, ending="done" if over else "")
        known, place = self._place(life)
        choice = int(life.items[place])
        # After the last choice, all that she did until the answer: the exam finds her up to date.
        last = self._round == self.config.protocol.history - 1
        return Feedback(
            life.between(known, life.choices[-1] if last else place + 1),
            target=choice,
            reward=reward(decision, choice, len(observation.slate)),
            ending="done",
        )

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Nothing a user does changes a log that was written long ago."""
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: the round alone says where the replay stands."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing, see `state`."""


def _in_place_of(dataset: Dataset, own: UserLog, lived: UserLog) -> User:
    """Return the person who sits an exam with another's memory."""
    return replace(dataset.users[lived.row], id=dataset.users[own.row].id)


def _signal_names(names: Sequence[str]) -> SignalNames:
    try:
        return TypeAdapter(SignalNames).validate_python(list(names))
    except ValidationError:
        raise ConfigError(
            f"the protocol's signals must be some of popularity, rating, together, each once; got "
            f"{list(names)}",
            hint="mend `signals` in the protocol",
        ) from None
