"""The rows of a run's tables, as `starec_sim.read_run` returns them.

Rounds, steps and positions count from 0. A trial is one arm with one seed; `arm` and `seed` name
it. Users and items have the ids of the dataset. None means that there is no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class TrialRow(NamedTuple):
    """One arm with one seed."""

    arm: str
    seed: int
    rounds: int
    """Rounds committed so far."""
    facts: Mapping[str, Any]
    """What `Environment.describe` returned: counts and choices."""


class UserRow(NamedTuple):
    """One user of a trial."""

    arm: str
    seed: int
    user: str
    profile: Mapping[str, str]


class ItemRow(NamedTuple):
    """One item of a trial's catalogue."""

    arm: str
    seed: int
    item: str
    title: str
    attributes: Mapping[str, tuple[str, ...]]


class StepRow(NamedTuple):
    """One step of a visit: a slate is shown, the user decides, the environment answers."""

    arm: str
    seed: int
    round: int
    user: str
    step: int
    task: str
    """`ranking`, `feed`, or the name that an environment gives its own task."""
    page: int
    slate: tuple[str, ...]
    """Items in the order in which they are shown."""
    ranking: tuple[str, ...]
    """Items that the answer ranks, best first; empty in a feed."""
    watched: tuple[str, ...]
    """Items that the user watches in a feed; those that she acts on in another task."""
    left: bool
    """Whether the user leaves after this step."""
    flaws: Mapping[str, int]
    """What is wrong with the answer, and how often; empty for a clean one."""
    repaired: bool
    """Whether the answer is one to a repair question."""
    target: str | None
    """The item that the user chose in the data; None where it is unknown."""
    ratings: Mapping[str, float]
    """Rating (0 to 5) of each item that the user consumed."""
    ending: str
    """Why the visit ends here; empty while it goes on."""
    slow: bool
    """Whether the gate asks the slow node after this step."""
    reason: str
    """Why the gate asks the slow node, or does not."""
    summary: str
    """The preference summary after the step."""


class ImpressionRow(NamedTuple):
    """One item that was shown in one step; the columns are those of `starec export`."""

    arm: str
    seed: int
    round: int
    user: str
    step: int
    place: int
    """Position on the slate, from 1."""
    item: str
    watched: bool | None
    """In a feed: whether it was watched; in another task whether anything was done with it."""
    expected: float | None
    """The stars that the user expected, where the task asks for them."""
    action: str | None
    """What she did with it, as an answer writes it: `watch 4`, `look at, buy 2`; None in a
    ranking."""
    rank: int | None
    """In a ranking: the rank that it got; None if it was not in the answer."""
    chosen: bool | None
    """In a ranking: whether it was the true choice."""
    lived: float | None
    """The stars that it was worth; None where nothing was revealed."""
    slow: bool
    """Whether the slow node was asked after this step."""


class TurnRow(NamedTuple):
    """One call of a policy."""

    arm: str
    seed: int
    round: int
    user: str
    step: int
    node: str
    """`fast` or `slow`."""
    attempt: int
    """0 for the question, 1 for the repair; from 101 on a training asked, and nobody acted on the
    answer (`starec_sim.runs.attempts`)."""
    policy: str
    messages: tuple[tuple[str, str], ...]
    """Pairs of role and text."""
    completion: str
    tokens_in: int | None
    tokens_out: int | None
    latency_s: float
    cost_usd: float | None
    source: str
    """Where the answer comes from: `model`, `cache` or `replay`."""
    tries: int
    """Requests sent to the model, retries included."""
    failure: str
    """Why there is no answer; empty if there is one."""
    error: str
    """Why the answer could not be read; empty if it could."""
    ending: str
    """How the answer ended if it is not whole (`starec_sim.types.Ending`); else empty."""


class MemoryRow(NamedTuple):
    """What a user remembers after the last committed round."""

    arm: str
    seed: int
    user: str
    steps: int
    """Steps so far, over all visits."""
    summary: str
    """The preference summary."""
    history: tuple[str, ...]
    """Items in memory, oldest first."""


class VisitRow(NamedTuple):
    """One metric of one visit."""

    arm: str
    seed: int
    round: int
    user: str
    metric: str
    value: float


class MetricRow(NamedTuple):
    """One metric of one round of a trial."""

    arm: str
    seed: int
    round: int
    metric: str
    value: float | None


class RewardRow(NamedTuple):
    """One component of the reward of one step."""

    arm: str
    seed: int
    round: int
    user: str
    step: int
    component: str
    value: float


class RolloutRow(NamedTuple):
    """One rollout that a step of a training learns from."""

    step: int
    """The training step, from 0."""
    group: str
    """Rollouts of one group start from the same state; the advantage compares them."""
    node: str
    reward: float
    """The weighted sum of the components."""
    components: Mapping[str, float]
    version: str
    """The weights that sampled it."""
    temperature: float
    tokens: int
    """Sampled tokens."""
