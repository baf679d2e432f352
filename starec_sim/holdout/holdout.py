"""A protocol applied to a dataset: the users, their candidate lists, the training interactions.

These rules define what may be learned:

* The log of an evaluated user counts up to her answer. The answer and everything after it is held
  out. Popularity, signals, sequences and item neighbourhoods are all computed from `training`. Of
  users who are not evaluated, the whole log counts.
* Negatives are items that are not in the whole log of the user, before or after the answer.
* No item of a user's candidate lists is shown as a negative while her history is replayed.
* As in the papers, the split is by user, not by time (leave-one-out): training contains
  interactions of other users that are later than an answer. A replayed choice is part of the
  training interactions from which the signals on its own card are computed; the answer is not.
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
    """The evaluated users, their candidate lists, and the training interactions.

    Args:
        protocol: The protocol.
        dataset: The users, items and logs.
        seed: The seed of the sample of users and of the candidate lists.
        lists: Candidate lists from a file, which are checked against protocol and dataset; drawn
            from the seed when None.

    Raises:
        DataError: No user qualifies, or the candidate lists do not fit protocol and dataset.
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
        """The dataset after the cuts of the protocol, and the counts after each cut."""
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
        """The log of each evaluated user, in order of row; its last choice is the answer."""
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
        """Shape (users, draws, candidates): items in shown order."""

    def _qualified(self) -> list[UserLog]:
        """Return the logs of the users who qualify, and count the users who are left out."""
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
                # A replayed choice must have an interaction before it, too.
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
        """Return the evaluated users, drawn from those who qualify."""
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

        In mode `new` they do not contain the past of the evaluated users, see `past`.

        Args:
            extent: Which part of each log counts.
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
        """Return the interactions of the evaluated users before their answers, in order of time."""
        known = np.zeros(len(self._log.users), bool)
        for user_log in self.user_logs:
            first = user_log.first if extent == "sample" else 0
            known[user_log.start + first : user_log.start + user_log.choices[-1]] = True
        return _in_time(self._log.where(known))

    def listed(self) -> CandidateLists:
        """Return the candidate lists with the ids of users and items, as in a file."""
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

        Metrics on hold-outs with the same digest can be compared.
        """
        # The evaluated users are in the digest, so the listed ones need not be.
        protocol = self.protocol.model_dump_json(exclude={"users": {"listed"}})
        sha = hashlib.sha256(protocol.encode())
        for user in (self.dataset.users[row] for row in self.rows):
            sha.update(user.id.encode() + b"\0")
        for item in (self.dataset.items[item] for item in self.candidate_lists.ravel()):
            sha.update(item.id.encode() + b"\0")
        sha.update(self.answers.tobytes())
        return sha.hexdigest()

    def describe(self) -> Mapping[str, Any]:
        """Return counts of users, items and interactions (JSON values)."""
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
    """Return a mask of the last `count` rows of each user, for a log sorted by user."""
    ends = np.searchsorted(log.users, log.users, side="right")
    return np.asarray(ends - np.arange(len(log.users)) <= count)
