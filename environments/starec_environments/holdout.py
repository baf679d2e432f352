"""Hold-out: a user's last choices are replayed, then she ranks candidate lists with the answer.

Each round before the last replays one choice, as the `ranking` environment does, so that the agent
builds its memory with the gate as configured. In the last round the user ranks all of her candidate
lists, one after the other. Each holds the answer, which is the choice that was held out. Nothing is
revealed between two lists, or afterwards. `starec_sim.holdout` defines what may be known before.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from pydantic import TypeAdapter, ValidationError

from starec_environments.replay import Replay, ReplayEnvironment, reward
from starec_environments.signals import Signal, SignalNames
from starec_sim.dataset import Dataset, required
from starec_sim.errors import ConfigError, DataError, DataWarning
from starec_sim.holdout import HoldOut, HoldOutSettings, UserLog
from starec_sim.holdout.candidate_files import CandidateLists, file_digest, read_candidates
from starec_sim.holdout.candidates import uniform_negatives
from starec_sim.rng import Streams
from starec_sim.types import Decision, Feedback, Observation, Step


class HoldOutEnvironment(ReplayEnvironment):
    """Replays the last choices of each user, then asks for rankings of her candidate lists."""

    class Config(HoldOutSettings):
        """The protocol, and the memory with which users answer."""

    def __init__(self, config: Config, dataset: Dataset | None, streams: Streams) -> None:
        self.config = config
        self._streams = streams
        protocol = config.protocol
        self.holdout = HoldOut(protocol, required(dataset), streams.seed, _given_lists(config))
        """The users and their candidate lists."""
        dataset, own = self.holdout.dataset, self.holdout.user_logs
        replayed = own if config.memory == "own" else _swapped(own, streams)
        super().__init__(
            dataset,
            [_replay(log, config) for log in replayed],
            self.holdout.training("full"),
            _signal_names(protocol.signals),
        )
        # With a swapped memory, a user answers with the profile of the user whose log is replayed.
        self.users = [
            replace(user, id=dataset.users[log.row].id)
            for user, log in zip(self.users, own, strict=True)
        ]
        self._candidates = [
            frozenset(lists.ravel().tolist()) for lists in self.holdout.candidate_lists
        ]
        """Of each user, the items of her candidate lists."""
        self._negatives = self._count_negatives()
        """Of each user, the items that a replayed choice stands among (decision 29)."""

    def _count_negatives(self) -> list[int]:
        wanted = self.config.protocol.candidates - 1
        left = [
            len(self.items) - len(candidates | set(replay.log.items.tolist()))
            for replay, candidates in zip(self._replays, self._candidates, strict=True)
        ]
        few = [
            count
            for count, replay in zip(left, self._replays, strict=True)
            if replay.choices and count < wanted
        ]
        hint = "set `history: 0`, or lower `candidates` or `draws`, in a protocol of your own"
        if few and min(few) < 1:
            raise DataError(
                "a user leaves no item that neither she touched nor her candidate lists hold, so "
                "none can stand beside a replayed choice",
                hint=hint,
            )
        if few:
            warnings.warn(
                f"replayed choices of {len(few)} of {len(left)} users stand among {min(few)} to "
                f"{max(few)} other items in place of {wanted}: the catalogue has no more that they "
                f"neither touched nor rank later; {hint}",
                DataWarning,
                stacklevel=2,
            )
        return [min(wanted, count) for count in left]

    def describe(self) -> Mapping[str, Any]:
        """Return the counts of the hold-out, and what is particular to this environment."""
        facts = {**self.holdout.describe(), "memory": self.config.memory}
        if self.config.memory == "swapped":
            # An item that the other user met is in the borrowed history with her rating.
            facts["candidates in the borrowed past"] = sum(
                len(candidates & set(replay.log.items[: replay.end].tolist()))
                for candidates, replay in zip(self._candidates, self._replays, strict=True)
            )
        return facts

    def begin_round(self, round: int) -> Sequence[int]:
        """Return the users who have a choice left to replay; in the last round, all users.

        Users with fewer choices than the protocol says begin later.
        """
        self._round = round
        if round > self.config.protocol.history:
            return ()
        return [user for user in range(len(self.users)) if self._number(user) >= 0]

    @property
    def _held_out_round(self) -> bool:
        """Whether the candidate lists of the hold-out are ranked in this round."""
        return self._round == self.config.protocol.history

    def _number(self, user: int) -> int:
        remaining = self.config.protocol.history - self._round
        return len(self._replays[user].choices) - remaining

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the next candidate list; before the last round, a replayed choice."""
        if not self._held_out_round:
            return super().observe(user, steps)
        items = tuple(self.holdout.candidate_lists[user, len(steps)].tolist())
        return self._show(user, items, len(steps) + 1)

    def _slate(self, user: int) -> tuple[int, ...]:
        """Return a choice among items that the user never touched and no candidate list holds."""
        replay, number = self._replays[user], self._number(user)
        rng = self._streams.stream("exam replay", user=replay.log.row, round=replay.choices[number])
        excluded = self._candidates[user] | set(replay.log.items.tolist())
        negatives = uniform_negatives(rng, len(self.items), excluded, self._negatives[user])
        slate = np.array([replay.target(number), *negatives])
        rng.shuffle(slate)
        return tuple(slate.tolist())

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal a replayed choice and what came before it; in the last round, reveal nothing."""
        if not self._held_out_round:
            return super().respond(user, steps, observation, decision)
        answer = int(self.holdout.answers[user])
        over = len(steps) + 1 == self.config.protocol.draws
        earned = reward(decision, answer, len(observation.slate))
        return Feedback((), answer, earned, ending="done" if over else "")


def _given_lists(config: HoldOutSettings) -> CandidateLists | None:
    """Return the candidate lists of the file that the settings name; None without one."""
    if config.candidates is None:
        return None
    if config.candidates_sha256 not in (None, file_digest(config.candidates)):
        raise DataError(
            f"{config.candidates} is not the file of candidates that the run began with",
            hint="put it back as it was, or start a new run",
        )
    return read_candidates(config.candidates)


def _swapped(own: Sequence[UserLog], streams: Streams) -> list[UserLog]:
    """Return for each user the log of another user."""
    if len(own) < 2:
        raise DataError("memories cannot be swapped with a single user", hint="evaluate more users")
    # A random cycle: no user keeps her own log.
    order = streams.stream("exam swap").permutation(len(own))
    swapped = list(own)
    for index, user in enumerate(order.tolist()):
        swapped[user] = own[order[index - 1]]
    return swapped


def _replay(log: UserLog, config: HoldOutSettings) -> Replay:
    """Return the replay of a log; everything up to its answer is known at its end."""
    *before, answer = log.choices
    most = config.protocol.history
    if config.replay is not None:
        most = min(most, config.replay)
    return Replay(log, tuple(before[max(0, len(before) - most) :]), answer)


def _signal_names(names: Sequence[str]) -> SignalNames:
    try:
        return TypeAdapter(SignalNames).validate_python(list(names))
    except ValidationError:
        raise ConfigError(
            f"the protocol's signals must be some of {', '.join(get_args(Signal))}, each once; "
            f"got {', '.join(names)}",
            hint="mend `signals` in the protocol",
        ) from None
