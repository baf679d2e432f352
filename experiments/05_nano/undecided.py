"""A teacher who tries guesses at how much each kind of evidence counts.

No prompt tells. A model that learned from all guesses tries one in each of its answers, and the
world's feedback can tell it which was right; one that learned a single guess tries nothing. The
answer's first line names the guess, and from there on all follows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from starec_sim.policies import text_policy
from starec_sim.policies.reasoner import SIGNALS, ReasonerPolicy
from starec_sim.policies.text_policy import TextPolicy

DEGREES = {"attributes": 3, "popularity": 4, "rating": 3, "together": 4}
"""How many settings there are for how loudly each kind of evidence speaks, from 0 on."""
HABIT = 0.6
"""How often attributes speak by habit. Counting is harder than taste, which hints teach too."""


def guess(rng: np.random.Generator, cards: Iterable[str]) -> dict[str, int | str]:
    """Draw the settings of a `ReasonerPolicy` that is to answer about such cards."""
    degrees = rng.integers(0, list(DEGREES.values())).tolist()
    drawn: dict[str, int | str] = dict(zip(DEGREES, degrees, strict=True))
    if not any(f" | {signal}: " in card for card in cards for signal in SIGNALS):
        # Attributes are all there is to go by.
        drawn["attributes"] = int(rng.integers(1, DEGREES["attributes"]))
    if drawn["attributes"] and rng.random() < HABIT:
        drawn["by"] = "habit"
    return drawn


class Undecided(TextPolicy):
    """Answers each question by a guess of its own, always the same to the same question."""

    @property
    def _llm_type(self) -> str:
        return "undecided"

    def answer(self, asked: str, words: int) -> str:
        """Guess, then reason as the reasoner does."""
        rng = np.random.default_rng([*hashlib.sha256(asked.encode()).digest()])
        cards = [card for _, card in text_policy.candidates(asked)]
        reasoner = ReasonerPolicy.model_validate(guess(rng, cards))
        return reasoner.answer(asked, words)
