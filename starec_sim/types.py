"""The nouns as plain data: frozen, slotted, and free of behaviour that needs a world.

Users and items are rows (integers from 0) everywhere inside; their original ids live in `User.id`
and `Item.id` and appear wherever a person reads. Ratings are on the five-star scale, 1.0 to 5.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

Task = Literal["ranking", "feed"]
"""`ranking`: order all candidates. `feed`: act on each item of a page."""

Node = Literal["fast", "slow"]

Messages = tuple[tuple[str, str], ...]
"""What a policy is asked: (role, text) pairs; roles are `system`, `user`, `assistant`."""

Source = Literal["model", "cache", "replay"]
"""Where an answer came from."""


class CallKey(NamedTuple):
    """Which call of a policy this is, within one trial."""

    round: int
    """From 0."""
    user: int
    """Row of the user who asks."""
    step: int
    """Index of the step within the visit, from 0."""
    node: Node
    """Whose policy is asked."""
    attempt: int = 0
    """Counts the questions of this node in this step: 0 for the question, 1 for the repair."""

    def __str__(self) -> str:
        """Return the key in words; rounds, steps and questions count from 1 there."""
        again = f", question {self.attempt + 1}" if self.attempt else ""
        return f"user {self.user}, round {self.round + 1}, step {self.step + 1}, {self.node}{again}"


LIKED_ABOVE = 3.0
"""A rating above this is a like (the protocol of the paper: rating > 3 is positive)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the catalogue."""

    id: str
    """The id in the dataset."""
    title: str
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Attribute name to its values, e.g. `{"genre": ("Drama", "War"), "year": ("1995",)}`."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What an item turned out to be for a user: the truth, revealed."""

    item: int
    rating: float
    """Stars, 1.0 to 5.0."""
    source: str
    """Where the truth comes from: `logged` (a real rating), `world` (a generated taste), `model`
    (predicted by a model that was fitted on real ratings)."""

    @property
    def liked(self) -> bool:
        """Whether the rating counts as a like."""
        return self.rating > LIKED_ABOVE


@dataclass(frozen=True, slots=True)
class User:
    """A person before the simulation starts."""

    id: str
    profile: Mapping[str, str] = field(default_factory=dict)
    """Demographics where the data has them, e.g. `{"age": "24", "occupation": "writer"}`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a user carries from visit to visit. Replaced, never changed in place."""

    history: tuple[Experience, ...] = ()
    """Oldest first, bounded."""
    summary: str = ""
    """The preference summary: the one text that slow thinking rewrites."""
    steps: int = 0
    """How many steps the user has lived in the simulation."""

    def after_step(self, experiences: tuple[Experience, ...], summary: str, limit: int) -> Memory:
        """Return the memory one step later, with only the last `limit` experiences kept."""
        return Memory((self.history + experiences)[-limit:], summary, self.steps + 1)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a user is shown in one step of a visit."""

    task: Task
    slate: tuple[int, ...]
    """Items in shown order."""
    cards: tuple[str, ...]
    """What may be known of each item, one line of text a place of the slate."""
    page: int = 1
    """The step within the visit, from 1."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a user did with one item of a page."""

    item: int
    watched: bool
    rating: float | None = None
    """Stars the user gave on the strength of what she saw; None when she gave none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the user does with an observation, read strictly from the policy's text."""

    ranking: tuple[int, ...] = ()
    """All candidates, best first. Those after the first `read` were not in the answer: they stand
    in shown order and earn nothing."""
    read: int = 0
    """How many places of the ranking were read from the answer."""
    actions: tuple[Action, ...] = ()
    """One for each item of the page, in shown order."""
    leave: bool = False
    flaws: Mapping[str, int] = field(default_factory=dict)
    """What was wrong with the final answer, by kind: `missing`, `duplicate`, `invented`,
    `unparsed`. Empty for a clean answer."""
    repaired: bool = False
    """Whether a repair call was needed (whatever came of it)."""

    @property
    def malformed(self) -> bool:
        """Whether the answer still had a flaw after the repair call."""
        return bool(self.flaws)

    def rank_of(self, item: int) -> int | None:
        """The 1-based place of an item, or None when the answer did not contain it."""
        place = self.ranking.index(item) if item in self.ranking else self.read
        return place + 1 if place < self.read else None


@dataclass(frozen=True, slots=True)
class Feedback:
    """The world's answer to a decision."""

    experiences: tuple[Experience, ...]
    """The truth revealed by what the user did, in the order she lived it."""
    target: int | None = None
    """The item that was really chosen (ranking only)."""
    reward: Mapping[str, float] = field(default_factory=dict)
    """Named components, unweighted."""
    ending: str = ""
    """Why the visit ends here (`done`, `left`, `tired`, `pages`); empty while it goes on."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's word on one step."""

    slow: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """A turn to the token, as the engine read and wrote it; text is never tokenised again."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    """What was sampled, the end-of-turn token included where the model wrote one."""
    logprobs: tuple[float, ...]
    """Natural log-probability of each sampled token, under the distribution it was drawn from."""
    version: str
    """Which weights answered: a base model, and an adapter if there is one."""
    sampling: Mapping[str, float]
    """`temperature`, `top_p`, `max_tokens`, `seed`."""
    group: str = ""
    """Turns that answer the same question share it: they can be compared with each other."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of a policy."""

    node: Node
    attempt: int
    """0 for the first call, 1 for the repair."""
    policy: str
    messages: Messages
    """As they were sent."""
    completion: str
    tokens_in: int | None
    """As reported by the model; None when it reports nothing."""
    tokens_out: int | None
    latency_s: float
    error: str = ""
    """What the parser objected to; empty when the answer was clean."""
    tokens: Tokens | None = None
    """None from a policy that cannot tell."""
    failure: str = ""
    """Why there is no answer, for all its retries: the cause (`starec_sim.errors.Cause`), a colon,
    and what happened. Empty when there is one; `error` is then what is wrong with it."""
    source: Source = "model"
    tries: int = 1
    """How often the model was asked for this answer; 0 when it was not asked at all."""
    cost_usd: float | None = None
    """None where the configuration has no price for the policy."""


@dataclass(frozen=True, slots=True)
class Step:
    """One pass of observe, decide, feedback within a visit."""

    observation: Observation
    decision: Decision
    feedback: Feedback
    verdict: Verdict
    turns: tuple[Turn, ...]
    memory: Memory
    """The memory after the step."""
    notes: Mapping[int, str] = field(default_factory=dict)
    """What the user wrote about items, by item: everybody reads it from the next round on."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One user's session in one round."""

    user: int
    round: int
    steps: tuple[Step, ...]
