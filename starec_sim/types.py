"""The data that all packages share: frozen, slotted dataclasses.

Users and items are rows (integers from 0) everywhere inside. Their ids in the dataset are `User.id`
and `Item.id`; people read those. Ratings are on the five-star scale, 1.0 to 5.0.
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
"""Where an answer comes from."""


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
    """The true rating of an item by a user, which the environment has revealed."""

    item: int
    rating: float
    """Stars, 1.0 to 5.0."""
    source: str
    """Where the rating comes from: `logged` (a real rating), `world` (a generated taste), `model`
    (predicted by a model that was fitted to real ratings)."""

    @property
    def liked(self) -> bool:
        """Whether the rating counts as a like."""
        return self.rating > LIKED_ABOVE


@dataclass(frozen=True, slots=True)
class User:
    """A user before the simulation starts."""

    id: str
    profile: Mapping[str, str] = field(default_factory=dict)
    """Demographics where the data has them, e.g. `{"age": "24", "occupation": "writer"}`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a user keeps from visit to visit. It is replaced, never changed in place."""

    history: tuple[Experience, ...] = ()
    """Oldest first, at most as many as the agent's `history_limit`."""
    summary: str = ""
    """The preference summary, which the slow node rewrites."""
    steps: int = 0
    """How many steps the user has played in the simulation."""

    def after_step(self, experiences: tuple[Experience, ...], summary: str, limit: int) -> Memory:
        """Return the memory one step later, with only the last `limit` experiences kept."""
        return Memory((self.history + experiences)[-limit:], summary, self.steps + 1)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a user is shown in one step of a visit."""

    task: Task
    slate: tuple[int, ...]
    """Items, in the order in which they are shown."""
    cards: tuple[str, ...]
    """What the user sees of each item: one line of text for each place of the slate."""
    page: int = 1
    """The step within the visit, from 1."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a user did with one item of a page."""

    item: int
    watched: bool
    rating: float | None = None
    """Stars that the user gave by what the slate shows; None when she gave none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a user does with an observation, read strictly from the policy's text."""

    ranking: tuple[int, ...] = ()
    """All candidates, best first. Those after the first `read` were not in the answer: they follow
    in shown order and earn nothing."""
    read: int = 0
    """How many places of the ranking were in the answer."""
    actions: tuple[Action, ...] = ()
    """One for each item of the page, in shown order."""
    leave: bool = False
    flaws: Mapping[str, int] = field(default_factory=dict)
    """What was wrong with the final answer, by kind: `missing`, `duplicate`, `invented`,
    `unparsed`. Empty for a clean answer."""
    repaired: bool = False
    """Whether a repair call was needed, successful or not."""

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
    """The environment's answer to a decision."""

    experiences: tuple[Experience, ...]
    """The true ratings that the user's actions revealed, in their order."""
    target: int | None = None
    """The item that the user really chose (ranking only)."""
    reward: Mapping[str, float] = field(default_factory=dict)
    """Named components, unweighted."""
    ending: str = ""
    """Why the visit ends here (`done`, `left`, `tired`, `pages`); empty while it goes on."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision of the gate for one step: whether the slow node is asked, and why."""

    slow: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token ids of a turn, as the engine read and sampled them; no text is tokenised again."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    """The sampled ids, with the end-of-turn token where the model sampled one."""
    logprobs: tuple[float, ...]
    """Natural log-probability of each sampled token, under the distribution it was drawn from."""
    version: str
    """The name of the weights that answered: a model, and an adapter if there is one."""
    sampling: Mapping[str, float]
    """`temperature`, `top_p`, `max_tokens`, `seed`."""
    group: str = ""
    """The same for all turns that answer one question, so that they can be compared."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of a policy."""

    node: Node
    attempt: int
    """0 for the first call, 1 for the repair."""
    policy: str
    messages: Messages
    """The question, as it was sent."""
    completion: str
    tokens_in: int | None
    """As the model reports it; None when it reports nothing."""
    tokens_out: int | None
    latency_s: float
    error: str = ""
    """What is wrong with the answer, as the parser found; empty for a clean answer."""
    tokens: Tokens | None = None
    """None from a policy that does not report tokens."""
    failure: str = ""
    """Why there is no answer after all retries: the cause (`starec_sim.errors.Cause`), a colon, and
    what happened. Empty when there is an answer; `error` is then what is wrong with it."""
    source: Source = "model"
    tries: int = 1
    """How often the model was asked for this answer; 0 when it was not asked."""
    cost_usd: float | None = None
    """None where the policy has no price in the configuration."""


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
    """What the user wrote about items, by item. All users read it from the next round on."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One user's session in one round."""

    user: int
    round: int
    steps: tuple[Step, ...]
