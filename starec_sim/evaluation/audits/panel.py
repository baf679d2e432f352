"""The users who are asked: their candidate lists, their memories, and what they really chose.

The memories come from the environment of the hold-out evaluation: each user first relives her last
choices. A question shows a slate to a user with one of these memories. It gives no feedback and
changes no memory, so thousands of questions can be asked. Equal questions of several audits are
asked once. The random seed of a question depends on its content only: leaving an audit out does
not change the answers of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from starec_sim import metrics
from starec_sim.cards import card
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion, Titles
from starec_sim.evaluation.audits.recommended import Recommended, recommend
from starec_sim.holdout import HoldOut
from starec_sim.rng import Streams
from starec_sim.types import FloatArray, IntArray, Item, Memory, User


class Panel:
    """Users with their candidate lists and memories.

    Args:
        holdout: The users and their candidate lists; the first list of each user is asked about.
        matched: The same with negatives that are as popular as the answers; None where the
            catalogue has too few items.
        users: The users, in the order of the hold-out.
        memories: For each user her memory before the first replayed choice, and after each.
        seed: Of everything that audits draw at random.
    """

    def __init__(
        self,
        holdout: HoldOut,
        matched: HoldOut | None,
        users: Sequence[User],
        memories: Sequence[Sequence[Memory]],
        seed: int = 0,
    ) -> None:
        self.holdout, self.matched = holdout, matched
        self.users, self.memories = users, memories
        self.streams = Streams(seed)
        self.items: Sequence[Item] = holdout.dataset.items
        self.rated = not np.isnan(holdout.dataset.log.ratings).any()
        """Whether the log has ratings at all."""
        self.popularity: IntArray = holdout.popularity
        self.cards: Mapping[Titles, tuple[str, ...]] = {
            "true": tuple(map(card, self.items)),
            "masked": tuple(
                card(replace(item, title=f"Item {row + 1}")) for row, item in enumerate(self.items)
            ),
            "renamed": tuple(
                card(replace(item, title=self.items[other].title))
                for item, other in zip(self.items, self._shuffled(), strict=True)
            ),
        }

        self._recommended: dict[str, Recommended] = {}

    def recommended(self, spec: Mapping[str, Any]) -> Recommended:
        """Return what a recommender shows to the users; it is fitted once."""
        key = str(sorted(spec.items()))
        if key not in self._recommended:
            self._recommended[key] = recommend(spec, self.holdout)
        return self._recommended[key]

    def _shuffled(self) -> list[int]:
        """Return for each item another item, whose title it gets."""
        order = self.streams.stream("audit titles").permutation(len(self.items))
        taken = np.empty(len(order), np.int64)
        taken[order] = np.roll(order, 1)
        return [int(item) for item in taken]

    def __len__(self) -> int:
        return len(self.users)

    @property
    def answers(self) -> IntArray:
        """The item that each user really chose."""
        return self.holdout.answers

    def memory(self, user: int) -> Memory:
        """Return the memory of a user after the whole replay."""
        return self.memories[user][-1]

    def question(self, user: int, **changes: Any) -> PanelQuestion:
        """Return the question about a user's own candidate list, with her own memory.

        Args:
            user: Her place in the panel.
            changes: Fields of the question that are different.
        """
        items = tuple(self.holdout.candidate_lists[user, 0].tolist())
        return replace(PanelQuestion(user, items, self.memory(user)), **changes)

    def partner(self, user: int) -> int:
        """Return another user; each user is the partner of one."""
        return (user + 1) % len(self)

    def ndcg(
        self, answers: PanelAnswers, questions: Iterable[PanelQuestion], k: int = 10
    ) -> FloatArray:
        """Return NDCG@k of the user's true choice for each question."""
        ranks = [
            answers[asked].decision.rank_of(int(self.answers[asked.user])) or np.nan
            for asked in questions
        ]
        return metrics.ndcg(np.array(ranks, np.float64), k)

    def held_out(self, user: int) -> tuple[IntArray, FloatArray]:
        """Return items that are not in the user's memory, and her ratings of them.

        These are the items that she rated before the sequence that is replayed, and from the
        answer on. In a generated dataset, items that she never met are added, with the ratings
        that she would give. Interactions without a rating are left out.
        """
        log, world = self.holdout.user_logs[user], self.holdout.dataset.world
        unknown = np.ones(len(log.items), bool)
        unknown[log.first : log.choices[-1]] = False
        if not self.rated:
            unknown[:] = False
        items, stars = log.items[unknown], log.ratings[unknown]
        if world is not None:
            rng = self.streams.stream("audit unmet", user=log.row)
            unmet = np.setdiff1d(np.arange(len(self.items)), log.items)
            more = rng.choice(unmet, min(40, len(unmet)), replace=False)
            items = np.concatenate([items, more])
            stars = np.concatenate([stars, np.rint(world.ratings(log.row, more, 0))])
        return items, stars

    def never_met(self, user: int, count: int, purpose: str) -> IntArray:
        """Return items that the user never met, drawn uniformly; fewer if there are not as many."""
        log = self.holdout.user_logs[user]
        unmet = np.setdiff1d(np.arange(len(self.items)), log.items)
        rng = self.streams.stream(purpose, user=log.row)
        return rng.choice(unmet, min(count, len(unmet)), replace=False)
