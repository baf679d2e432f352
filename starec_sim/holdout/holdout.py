"""A protocol applied to a dataset: the users, their candidate lists, and what is known before.

What may be learned, exactly:

* Of an evaluated user, nothing counts from the answer on: neither the answer nor what follows it.
  Popularity, signals, sequences and item neighbourhoods are all taken from `training`, so none of
  them has seen it. Of the others, the whole log counts.
* Negatives are items that the user never touched in her whole log, before or after the answer.
* No item of a user's candidate lists is shown as a negative while her history is replayed.
* What is *not* excluded, as in the papers: the answer is held out by user, not by date. What others
  did later than an answer is known (leave-one-out, not a split in time). A replayed choice is part
  of the training log from which the signals on its own card were taken; only the candidate lists
  are free of that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.holdout.candidate_files import CandidateLists, check_candidates
from starec_sim.holdout.candidates import draw_candidates
from starec_sim.holdout.filters import cut
from starec_sim.holdout.protocol import EvaluationProtocol
from starec_sim.holdout.user_logs import UserLog, by_user, user_logs
from starec_sim.rng import Streams
from starec_sim.types import LIKED_ABOVE, IntArray

Extent = Literal["sample", "full"]
"""`sample`: as many interactions of each user as an agent experiences. `full`: the whole log."""


class HoldOut:
    """Who is evaluated on which candidates, and what may be known before.

    Args:
        protocol: Decides what every figure means.
        dataset: The users, items and logs.
        seed: Decides who is evaluated and which candidate lists they get.
        lists: Candidate lists from a file; they are checked against protocol and dataset. They are
            drawn from the seed when empty.

    Raises:
        DataError: No user qualifies, or the candidate lists do not fit.
    """

    def __init__(
        self,
        protocol: EvaluationProtocol,
        dataset: Dataset,
        seed: int,
        lists: CandidateLists | None = None,
    ) -> None:
        self.protocol = protocol
        self.funnel = cut(dataset, protocol.cuts, seed)
        """How the cuts of the protocol made the dataset smaller."""
        self.dataset = dataset = self.funnel.dataset
        self.seed = seed
        self.left_out = {
            "too few interactions": 0,
            "too few likes": 0,
            "nothing before the answer": 0,
            "not listed": 0,
            "not drawn": 0,
        }
        self._log = by_user(dataset.log)
        self.user_logs = self._drawn(self._qualified())
        """Of each evaluated user, in order of her row; the last of her choices is the answer."""
        self.rows: IntArray = np.array([user_log.row for user_log in self.user_logs])
        """Rows of the evaluated users in the dataset, shape (users,)."""
        self.answers: IntArray = np.array([log.last_choice for log in self.user_logs], np.int64)
        """The answer of each evaluated user, shape (users,)."""
        self.popularity: IntArray = np.bincount(
            self.training("full").items, minlength=len(dataset.items)
        )
        """Shape (items,): how often each item occurs in the training interactions."""
        if lists is None:
            drawn, self.dropped = draw_candidates(
                protocol, dataset, self.user_logs, self.popularity, Streams(seed)
            )
        else:
            drawn, self.dropped = check_candidates(lists, protocol, dataset, self.user_logs), 0
        self.candidate_lists: IntArray = drawn
        """Shape (users, draws, candidates): items in the order in which they are shown."""

    def _qualified(self) -> list[UserLog]:
        """Return the users whose logs hold enough, and count those that are left out."""
        protocol, qualified = self.protocol, []
        listed = frozenset(protocol.users.listed)
        for user_log in user_logs(self._log, len(self.dataset.users)):
            liked = np.flatnonzero(user_log.ratings > LIKED_ABOVE)
            if listed and self.dataset.users[user_log.row].id not in listed:
                self.left_out["not listed"] += 1
            elif len(user_log.items) < protocol.min_interactions:
                self.left_out["too few interactions"] += 1
            elif len(liked) < protocol.min_likes:
                self.left_out["too few likes"] += 1
            elif liked[-1] == 0:
                self.left_out["nothing before the answer"] += 1
            else:
                answer = int(liked[-1])
                first = max(0, answer + 1 - protocol.sequence)
                # A replayed choice needs something before it as well.
                within = liked[(liked > first) & (liked < answer)].tolist()
                replayed = within[len(within) - min(len(within), protocol.history) :]
                qualified.append(user_log._replace(first=first, choices=(*replayed, answer)))
        if not qualified:
            counted = ", ".join(f"{count} {why}" for why, count in self.left_out.items() if count)
            raise DataError(
                f"no user of {self.dataset.name} qualifies for {protocol.name}: "
                f"{counted or 'it has no users'}",
                hint="lower min_interactions or min_likes in a protocol of your own",
            )
        return qualified

    def _drawn(self, qualified: list[UserLog]) -> list[UserLog]:
        """Return those of the users who qualify that are evaluated, drawn from the seed."""
        split = self.protocol.users
        wanted = max(1, round(split.share * len(qualified)))
        wanted = min(len(qualified), split.count or wanted)
        if split.mode == "new" and wanted == len(qualified):
            raise DataError(
                f"all {wanted} users who qualify would be evaluated: none is left to fit models on",
                hint="with `mode: new`, set users.share below 1, or pass --users N",
            )
        self.left_out["not drawn"] = len(qualified) - wanted
        order = Streams(self.seed).stream("exam users").permutation(len(qualified))[:wanted]
        return [qualified[place] for place in np.sort(order)]

    def training(self, extent: Extent) -> Interactions:
        """Return the interactions on which models may be fitted, in order of time.

        In mode `new` the past of the evaluated users is not part of it, see `past`. The sample
        holds as many interactions of each user as an agent experiences.
        """
        log, new = self._log, self.protocol.users.mode == "new"
        known = np.ones(len(log.users), bool)
        if extent == "sample":
            if new:
                known = _last_of_each(log, self.protocol.sequence)
            else:
                known[:] = False
        for user_log in self.user_logs:
            answer = user_log.start + user_log.choices[-1]
            known[user_log.start : user_log.start + len(user_log.items)] = False
            if not new:
                first = user_log.start + (user_log.first if extent == "sample" else 0)
                known[first:answer] = True
        return _in_time(log.where(known))

    def past(self, extent: Extent) -> Interactions:
        """Return what the evaluated users did before their answers, in order of time."""
        known = np.zeros(len(self._log.users), bool)
        for user_log in self.user_logs:
            first = user_log.first if extent == "sample" else 0
            known[user_log.start + first : user_log.start + user_log.choices[-1]] = True
        return _in_time(self._log.where(known))

    def listed(self) -> CandidateLists:
        """Return the candidate lists by ids, as a file holds them."""
        users, items = self.dataset.users, self.dataset.items
        about = {
            "protocol": self.protocol.name,
            "dataset": self.dataset.name,
            "seed": self.seed,
            "candidates": self.protocol.candidates,
            "draws": self.protocol.draws,
        }
        rows = zip(self.rows.tolist(), self.answers.tolist(), self.candidate_lists, strict=True)
        return CandidateLists(
            about,
            {
                users[row].id: (
                    items[answer].id,
                    tuple(tuple(items[item].id for item in slate) for slate in lists.tolist()),
                )
                for row, answer, lists in rows
            },
        )

    @property
    def digest(self) -> str:
        """SHA-256 of protocol, users, answers and candidate lists.

        Figures of hold-outs with the same digest can be compared.
        """
        # Who is listed shows in who is evaluated.
        protocol = self.protocol.model_dump_json(exclude={"users": {"listed"}})
        sha = hashlib.sha256(protocol.encode())
        for person in (self.dataset.users[row] for row in self.rows):
            sha.update(person.id.encode() + b"\0")
        for item in (self.dataset.items[item] for item in self.candidate_lists.ravel()):
            sha.update(item.id.encode() + b"\0")
        sha.update(self.answers.tobytes())
        return sha.hexdigest()

    def describe(self) -> Mapping[str, Any]:
        """Return counts worth writing beside every figure (JSON values)."""
        full, sample = self.training("full"), self.training("sample")
        replayed = [len(user_log.choices) - 1 for user_log in self.user_logs]
        bare = sum(not item.attributes for item in self.dataset.items)
        facts: dict[str, Any] = {
            "dataset": self.dataset.name,
            "users": len(self.user_logs),
            "items": len(self.dataset.items),
            "items without attributes": bare,
            "left out": self.left_out,
            "replayed choices": sum(replayed),
            "users with fewer replayed than the protocol says": sum(
                count < self.protocol.history for count in replayed
            ),
            "training interactions (full)": len(full.users),
            "training interactions (sample)": len(sample.users),
            "answers that nobody met in training": int((self.popularity[self.answers] == 0).sum()),
        }
        if len(self.funnel.counts) > 1:
            facts["cuts"] = [asdict(count) for count in self.funnel.counts]
        if self.protocol.negatives == "shipped":
            facts["shipped candidates dropped"] = self.dropped
        return facts


def _in_time(log: Interactions) -> Interactions:
    return log.where(np.argsort(log.times, kind="stable"))


def _last_of_each(log: Interactions, count: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows of a log sorted by user are among the last of their user."""
    ends = np.searchsorted(log.users, log.users, side="right")
    return np.asarray(ends - np.arange(len(log.users)) <= count)
