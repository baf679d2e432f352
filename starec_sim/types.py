"""The data types that all packages use: frozen, slotted dataclasses.

Users and items are rows (integers from 0) everywhere in the code. Their ids in the dataset are
`User.id` and `Item.id`; files and messages show the ids. Ratings are stars from 0 to 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from starec_sim.tasks import SKIP, Act, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]


def __getattr__(name: str) -> Any:
    """Return `IntArray` or `FloatArray`; commands that need neither do not import numpy."""
    if name not in ("IntArray", "FloatArray"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np
    from numpy.typing import NDArray

    return NDArray[np.int64] if name == "IntArray" else NDArray[np.float64]


Node = Literal["fast", "slow"]
NODES: tuple[Node, ...] = ("fast", "slow")
"""The nodes that ask a policy."""

Messages = tuple[tuple[str, str], ...]
"""The messages of a question: (role, text) pairs; roles are `system`, `user`, `assistant`."""

Source = Literal["model", "cache", "replay"]
"""Where an answer comes from."""

Ending = Literal["", "length", "content_filter", "refusal", "tool_calls", "reasoning"]
"""How an answer ended if its model did not simply stop. `length`: it was cut by the longest length
that was asked for, or by the context. `content_filter`: a filter of the endpoint ended it.
`refusal`: the model declined to answer. `tool_calls`: it calls a tool and holds no text.
`reasoning`: it holds reasoning and nothing after it."""


class CallKey(NamedTuple):
    """The key of a policy call within one trial."""

    round: int
    """From 0."""
    user: int
    """Row of the user who asks."""
    step: int
    """Index of the step within the visit, from 0."""
    node: Node
    """The node whose policy is asked."""
    attempt: int = 0
    """Counts the questions of this node in this step: 0 for the question, 1 for the repair."""

    def __str__(self) -> str:
        """Return the key as text, in which rounds, steps and questions count from 1."""
        again = f", question {self.attempt + 1}" if self.attempt else ""
        return f"user {self.user}, round {self.round + 1}, step {self.step + 1}, {self.node}{again}"


STAR_RANGE = (0.0, 5.0)
"""The least and the greatest rating, in stars. Most scales begin at 1; some at half a star or 0."""
LIKED_ABOVE = 3.0
"""A rating above this is a like (in the protocol of the paper, rating > 3 is positive)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the catalogue."""

    id: str
    """The id in the dataset."""
    title: str
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Attribute name to its values, e.g. `{"genre": ("Drama", "War"), "year": ("1995",)}`."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Facts that are numbers, e.g. `{"price": 12.5, "stock": 3.0}`, as they are when the item
    appears. What changes later stands on the cards that `observe` shows."""


@dataclass(frozen=True, slots=True)
class Experience:
    """How an item turned out for a user, which the environment has revealed."""

    item: int
    rating: float | None
    """Stars from 0 to 5; None in a world without stars."""
    source: str
    """Where it comes from: `logged` (a real rating), `world` (a generated taste), `model`
    (predicted by a model that was fitted to real ratings)."""
    action: str = field(default="", repr=False)
    """What the user did, as her answer says it: `buy 2`. Empty where the task has no such word."""
    like: bool | None = field(default=None, repr=False)
    """Whether she liked it, where there are no stars; None where nobody knows."""
    # `repr` is hashed into the seeds of audits (`PanelQuestion.round`), so it never grows.

    @property
    def liked(self) -> bool:
        """Whether this counts as a like."""
        return bool(self.like) if self.rating is None else self.rating > LIKED_ABOVE


@dataclass(frozen=True, slots=True)
class User:
    """A user before the simulation starts."""

    id: str
    profile: Mapping[str, str] = field(default_factory=dict)
    """Demographics if the data has them, e.g. `{"age": "24", "occupation": "writer"}`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a user remembers between visits. It is replaced, never changed in place."""

    history: tuple[Experience, ...] = ()
    """Oldest first, at most as many as the agent's `history_limit`."""
    summary: str = ""
    """The preference summary, which the slow node rewrites."""
    steps: int = 0
    """Number of steps that the user has played in the simulation."""

    def after_step(self, experiences: tuple[Experience, ...], summary: str, limit: int) -> Memory:
        """Return the memory after a step, with only the last `limit` experiences."""
        return Memory((self.history + experiences)[-limit:], summary, self.steps + 1)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a user is shown in one step of a visit."""

    task: Task
    slate: tuple[int, ...]
    """Items, in the order in which they are shown."""
    cards: tuple[str, ...]
    """The card of each item, in the order of the slate."""
    page: int = 1
    """The step within the visit, from 1."""
    context: str = ""
    """What else the user knows at this moment: `budget: 12.50`, `it rains`. A prompt shows it
    before the slate."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a user did with one item of a page."""

    item: int
    kind: str = SKIP
    """One of the task's actions: `watch` or `skip` in a feed."""
    value: float | str | None = None
    """The argument of the action; in a feed the stars that the user expects, 1.0 to 5.0."""

    @property
    def done(self) -> bool:
        """Whether it is anything but a skip."""
        return self.kind != SKIP

    @property
    def watched(self) -> bool:
        """The same as `done`; plug-ins for version 0.2 call it so."""
        return self.done

    @property
    def rating(self) -> float | None:
        """The argument, if it is a number; plug-ins for version 0.2 call it so."""
        return self.value if isinstance(self.value, float) else None


class ItemActs(NamedTuple):
    """What a user did with one item of a page."""

    said: str
    """Her actions as an answer writes them: `watch 4`, or `look at, buy 2`."""
    done: bool
    """Whether that is anything but a skip."""
    stars: float | None
    """The stars that she expects, if she gave any."""


def acts_by_item(task: Task, actions: Iterable[Action]) -> dict[int, ItemActs]:
    """Return what was done with each item of a page."""
    acts: dict[int, ItemActs] = {}
    for item, kind, value in ((a.item, a.kind, a.value) for a in actions):
        said, stars = task.said(kind, value), task.stars(kind, value)
        if item in acts:
            before = acts[item]
            said = f"{before.said}, {said}"
            stars = before.stars if stars is None else stars
        acts[item] = ItemActs(said, kind != SKIP, stars)
    return acts


@dataclass(frozen=True, slots=True)
class Decision:
    """What a user does with an observation, parsed strictly from the policy's text."""

    ranking: tuple[int, ...] = ()
    """All candidates, best first. Those after the first `read` are not in the answer: they follow
    in shown order and get no reward."""
    read: int = 0
    """Number of items of the ranking that are in the answer."""
    actions: tuple[Action, ...] = ()
    """One for each item of the page, in shown order; several where the task allows it."""
    leave: bool = False
    move: Act | None = None
    """What she does after the page, where that is neither `stay` nor `leave`."""
    flaws: Mapping[str, int] = field(default_factory=dict)
    """What was wrong with the final answer, by kind: `missing`, `duplicate`, `invented`,
    `unparsed`. Empty for a clean answer."""
    repaired: bool = False
    """Whether a repair call was needed, successful or not."""

    @property
    def malformed(self) -> bool:
        """Whether the answer still had a flaw after the repair call."""
        return bool(self.flaws)

    @property
    def chosen(self) -> tuple[int, ...]:
        """The items with which she did anything, in shown order, or the first of her ranking."""
        if self.actions:
            return tuple(dict.fromkeys(action.item for action in self.actions if action.done))
        return self.ranking[: min(1, self.read)]

    def rank_of(self, item: int) -> int | None:
        """Return the 1-based rank of an item; None if the answer does not contain it."""
        place = self.ranking.index(item) if item in self.ranking else self.read
        return place + 1 if place < self.read else None


@dataclass(frozen=True, slots=True)
class Feedback:
    """The environment's answer to a decision."""

    experiences: tuple[Experience, ...]
    """The true ratings that the user's actions revealed, in their order."""
    target: int | None = None
    """The item that the user chose in the data (ranking only)."""
    reward: Mapping[str, float] = field(default_factory=dict)
    """The components of the reward by name, without weights."""
    ending: str = ""
    """Why the visit ends here (`done`, `left`, `tired`, `pages`); empty if it continues."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision of the gate for one step: whether the slow node is asked, and why."""

    slow: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """The answer that a question expects, for policies that can be held to a form."""

    form: Literal["tags", "json"]
    """How it is written."""
    parts: tuple[str, ...]
    """Its parts, in order, such as `think` and `ranking`."""
    labels: int = 0
    """How many labels it has to name."""
    task: Task | None = None
    """What is asked for, if it is a decision."""
    words: int = 0
    """The longest text besides reasoning, in words; 0 for no limit."""
    one_of: tuple[str, ...] = ()
    """What the part `answer` of an interview can say, where that is one of a list."""
    pattern: str = ""
    """A regular expression of that part, where it is a number."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token ids of a turn, as the engine read and sampled them; text is not tokenised again."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    """The sampled ids, with the end-of-turn token where the model sampled one."""
    logprobs: tuple[float, ...]
    """Natural log-probability of each sampled token in the distribution it was sampled from."""
    version: str
    """The name of the weights: a model, and an adapter if there is one."""
    sampling: Mapping[str, float]
    """`temperature`, `top_p`, `max_tokens`, `seed`."""
    group: str = ""
    """The same for all turns that answer one question; GRPO compares them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of a policy."""

    node: Node
    attempt: int
    """0 for the first call, 1 for the repair."""
    policy: str
    messages: Messages
    """The question, as it is sent."""
    completion: str
    tokens_in: int | None
    """As the model reports it; None if it does not."""
    tokens_out: int | None
    latency_s: float
    error: str = ""
    """What the parser says is wrong with the answer; empty for a clean answer."""
    tokens: Tokens | None = None
    """None if the policy does not report tokens."""
    failure: str = ""
    """Why there is no answer after all retries: the cause (`starec_sim.errors.Cause`), a colon, and
    the message. Empty if there is an answer, which `error` describes."""
    source: Source = "model"
    tries: int = 1
    """Number of requests to the model for this answer; 0 for cache and replay."""
    cost_usd: float | None = None
    """None if the policy has no price in the configuration."""
    ending: Ending = ""
    """As the endpoint reports it; empty for an answer that is whole, as far as is known."""


class Recalled(NamedTuple):
    """An older experience that a prompt shows because it is similar to the slate."""

    item: int
    score: float
    """Its greatest similarity to an item of the slate, at most 1."""
    place: int
    """Its place in the memory's history, oldest first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a visit: observation, decision, feedback, and the new memory."""

    observation: Observation
    decision: Decision
    feedback: Feedback
    verdict: Verdict
    turns: tuple[Turn, ...]
    memory: Memory
    """The memory after the step."""
    notes: Mapping[int, str] = field(default_factory=dict)
    """What the user wrote about items, by item. All users can read it from the next round on."""
    recalled: tuple[Recalled, ...] = ()
    """What the agent recalled for its prompt, oldest first. Recorded, and not part of a digest."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One user's session in one round."""

    user: int
    round: int
    steps: tuple[Step, ...]
