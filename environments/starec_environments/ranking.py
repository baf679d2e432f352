"""Ranking: logged choices are replayed in order of time, as in the loop and benchmark of STARec.

The log of each user is cut to its last interactions. The last liked items are the choices that are
replayed, one a round.

With `min_picks`, the users of a generated dataset go on choosing instead, by tastes that may drift.
What they choose is drawn beforehand, so it is a log like any other.

The training interactions are what precedes the first replayed choice of each user, and the whole
log of users who take no part. Popularity and the signals on cards are taken from nothing else. With
`min_picks`, the training interactions are the log as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from starec_environments.continuation import Continuation, continue_log
from starec_environments.replay import Replay, ReplayEnvironment
from starec_environments.signals import SignalNames
from starec_sim.dataset import Dataset, Interactions, required
from starec_sim.errors import DataError
from starec_sim.holdout.candidates import ShippedNegatives, shipped_negatives, uniform_negatives
from starec_sim.holdout.user_logs import UserLog, by_user, user_logs
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import LIKED_ABOVE


class RankingEnvironment(ReplayEnvironment):
    """Replays logged choices among sampled negatives."""

    class Config(Settings):
        """Settings of the replay (the defaults are the protocol "starec-20")."""

        renamed: ClassVar[Mapping[str, str]] = {"lived": "min_picks"}

        candidates: int = Field(default=20, ge=2, le=10_000)
        """The true choice and `candidates - 1` negatives."""
        choices: int = Field(default=10, ge=1)
        """How many choices of each user are replayed: her last ones, one a round."""
        sequence: int = Field(default=40, ge=2)
        """Interactions of each user that count: her last ones."""
        min_interactions: int = Field(default=10, ge=2)
        """Users with a shorter log are left out (and counted)."""
        users: int | None = Field(default=None, ge=1)
        """A random sample of so many users; all when empty."""
        negatives: Literal["uniform", "shipped"] = "uniform"
        """`uniform`: items the user never touched. `shipped`: the dataset's own candidate lists,
        without the items that the user did touch (these are counted)."""
        min_picks: int | None = Field(default=None, ge=1)
        """Replay no log: the users of a generated dataset go on choosing where their logs end, at
        least so many items a round. They like the last of them and are asked for it. Their tastes
        are those of the round, and `choices` says how many rounds there are."""
        draw: int = Field(default=0, ge=0)
        """Which draw of uniform negatives; the same number gives the same lists."""
        signals: SignalNames = Field(default=[])
        """What cards say besides attributes: any of `popularity`, `rating`, `together` and
        `follows`."""
        informed: float = Field(default=1.0, ge=0, le=1)
        """The share of users, drawn at random, whose cards carry the signals. The others see cards
        without them, so that one policy learns to use both."""

        @model_validator(mode="after")
        def _informed_of_something(self) -> Self:
            if self.informed < 1 and not self.signals:
                raise ValueError(
                    f"informed ({self.informed:g}) says who sees signals, and `signals` names "
                    "none: name some, or leave `informed` out"
                )
            return self

        @model_validator(mode="after")
        def _something_comes_first(self) -> Self:
            if self.min_picks is None and self.choices >= self.sequence:
                raise ValueError(
                    f"choices ({self.choices}) must be fewer than sequence ({self.sequence}): "
                    "something has to come before the first choice"
                )
            return self

    def __init__(self, config: Config, dataset: Dataset | None, streams: Streams) -> None:
        dataset = required(dataset)
        self.config = config
        self._streams = streams
        self._left_out = {
            "too few interactions": 0,
            "too few likes": 0,
            "nothing before the first choice": 0,
            "not sampled": 0,
        }
        if config.min_picks is None:
            log = by_user(dataset.log)
            chosen = self._sampled(self._replayable(dataset, log))
            training = _before_choices(log, chosen)
        else:
            after = continue_log(dataset, config.choices, config.min_picks, streams)
            chosen = self._sampled(self._continued(dataset, after))
            training = dataset.log
        replays = [Replay(log, log.choices, log.choices[-1] + 1) for log in chosen]
        super().__init__(dataset, replays, training, config.signals)
        self._shipped: list[ShippedNegatives] = []
        if config.negatives == "shipped":
            self._shipped = [
                shipped_negatives(dataset, log, config.candidates - 1) for log in chosen
            ]
        else:
            self._check_catalogue()
        rng = streams.stream("informed")
        self._informed = (rng.random(len(self.users)) < config.informed).tolist()

    def _replayable(self, dataset: Dataset, log: Interactions) -> list[UserLog]:
        """Return the users whose logs hold enough, and count those that are left out."""
        config, replayable = self.config, []
        for user_log in user_logs(log, len(dataset.users)):
            first = max(0, len(user_log.items) - config.sequence)
            liked = np.flatnonzero(user_log.ratings[first:] > LIKED_ABOVE)
            if len(user_log.items) < config.min_interactions:
                self._left_out["too few interactions"] += 1
            elif len(liked) < config.choices:
                self._left_out["too few likes"] += 1
            elif liked[-config.choices] == 0:
                self._left_out["nothing before the first choice"] += 1
            else:
                choices = tuple((first + liked[-config.choices :]).tolist())
                replayable.append(user_log._replace(first=first, choices=choices))
        if not replayable:
            raise DataError(
                f"no user of {dataset.name} has {config.min_interactions} interactions and, among "
                f"the last {config.sequence}, {config.choices} likes with something before them",
                hint="lower environment.min_interactions or environment.choices",
            )
        return replayable

    def _continued(self, dataset: Dataset, after: Continuation) -> list[UserLog]:
        """Return the users who can go on choosing, and count those who cannot."""
        config, continued = self.config, []
        self._left_out["too few items left"] = 0  # a user who likes little picks nearly all items
        for user_log in user_logs(by_user(after.log), len(dataset.users)):
            counts = after.picks[user_log.row]
            before = len(user_log.items) - int(counts.sum())
            if before < config.min_interactions:
                self._left_out["too few interactions"] += 1
            elif not counts.all():
                self._left_out["too few likes"] += 1
            elif len(user_log.items) > len(dataset.items) - (config.candidates - 1):
                self._left_out["too few items left"] += 1
            else:
                first = max(0, before - config.sequence)
                choices = after.choices(user_log)
                continued.append(user_log._replace(first=first, choices=choices))
        if not continued:
            raise DataError(
                f"no user of {dataset.name} has {config.min_interactions} interactions and "
                f"finds something to like in each of {config.choices} rounds",
                hint="lower environment.min_interactions, or environment.choices",
            )
        return continued

    def _sampled(self, qualified: list[UserLog]) -> list[UserLog]:
        if self.config.users is None or self.config.users >= len(qualified):
            return qualified
        rng = self._streams.stream("users")
        kept = np.sort(rng.choice(len(qualified), self.config.users, replace=False))
        self._left_out["not sampled"] = len(qualified) - self.config.users
        return [qualified[index] for index in kept]

    def _check_catalogue(self) -> None:
        most = max(len(replay.log.items) for replay in self._replays)
        if len(self.items) - most < self.config.candidates - 1:
            raise DataError(
                f"a user has touched {most} of {len(self.items)} items, which leaves too few "
                f"for {self.config.candidates - 1} negatives",
                hint="lower environment.candidates",
            )

    def describe(self) -> Mapping[str, Any]:
        """Return how many users take part, why others do not, and what cards say."""
        facts = {
            "users": len(self.users),
            "items": len(self.items),
            "left out": self._left_out,
            "training interactions": int(self.popularity.sum()),
            "signals": list(self.config.signals),
        }
        if self.config.signals and self.config.informed < 1:
            facts["users with signals"] = sum(self._informed)
        if self.config.negatives == "shipped":
            facts["shipped candidates dropped"] = sum(shipped.dropped for shipped in self._shipped)
        return facts

    def begin_round(self, round: int) -> Sequence[int]:
        """Return all users, until their choices are used up."""
        self._round = round
        return range(len(self.users)) if round < self.config.choices else ()

    def _number(self, user: int) -> int:
        return self._round

    def _sees_signals(self, user: int) -> bool:
        return bool(self._informed[user])

    def _slate(self, user: int) -> tuple[int, ...]:
        slate = np.array([self._replays[user].target(self._round), *self._negatives(user)])
        self._streams.stream("order", user=user, round=self._round).shuffle(slate)
        return tuple(slate.tolist())

    def _negatives(self, user: int) -> list[int]:
        count = self.config.candidates - 1
        if self._shipped:
            return self._shipped[user].items[:count]
        rng = self._streams.stream("negatives", user=user, round=self._round, call=self.config.draw)
        touched = set(self._replays[user].log.items.tolist())
        return uniform_negatives(rng, len(self.items), touched, count)


def _before_choices(log: Interactions, chosen: Sequence[UserLog]) -> Interactions:
    """Return a log without what follows from the first choice of each of these users on."""
    known = np.ones(len(log.users), bool)
    for user_log in chosen:
        end = user_log.start + len(user_log.items)
        known[user_log.start + user_log.choices[0] : end] = False
    return log.where(known)
