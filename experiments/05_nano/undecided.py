"""A teacher that draws at random how much each kind of evidence counts.

No prompt tells these weights. A model that imitated many different weights tries one choice in each
answer, and rewards can tell it which choice was right. A model that imitated a single choice never
tries another. The first line of an answer states the weights; the rest of the answer follows from
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from starec_sim.answers import PromptParts
from starec_sim.policies.reasoner import SIGNALS, ReasonerPolicy
from starec_sim.policies.text_policy import TextPolicy

DEGREES = {"attributes": 3, "popularity": 4, "rating": 3, "together": 4}
"""How many weights each kind of evidence can have: 0, 1, ... up to this number minus one."""
FOLLOWS = 4
"""The same of the signal `follows`. It is drawn last, and only where a card shows it, so
that trainings without it draw the numbers that they drew before there was one."""
HABIT = 0.6
"""The chance that attributes count by habit. Counting is harder to learn than taste."""


def guess(rng: np.random.Generator, cards: Sequence[str]) -> dict[str, int | str]:
    """Draw the settings of a `ReasonerPolicy` for a question with these cards."""
    degrees = rng.integers(0, list(DEGREES.values())).tolist()
    drawn: dict[str, int | str] = dict(zip(DEGREES, degrees, strict=True))
    if not any(f" | {signal}: " in card for card in cards for signal in SIGNALS):
        # Attributes are the only evidence on bare cards, so their weight must not be 0.
        drawn["attributes"] = int(rng.integers(1, DEGREES["attributes"]))
    if drawn["attributes"] and rng.random() < HABIT:
        drawn["by"] = "habit"
    if any(" | often follows: " in card for card in cards):
        drawn["follows"] = int(rng.integers(FOLLOWS))
    return drawn


class Undecided(TextPolicy):
    """Draws new weights for each question; the same question always gets the same weights."""

    @property
    def _llm_type(self) -> str:
        return "undecided"

    def answer(self, prompt: PromptParts) -> str:
        """Draw the weights, then answer as the reasoner does with them."""
        rng = np.random.default_rng([*hashlib.sha256(prompt.text.encode()).digest()])
        cards = [card for _, card in prompt.candidates]
        reasoner = ReasonerPolicy.model_validate(guess(rng, cards))
        return reasoner.answer(prompt)
