"""The protocol of an agent, which plays all users of a trial.

An agent keeps no state of users. The memory of a user comes with the call, and her new memory is
part of the visit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from typing_extensions import get_protocol_members

from starec_sim.environment import Environment
from starec_sim.errors import ContractError
from starec_sim.types import (
    NODES,
    CallKey,
    Decision,
    ExpectedAnswer,
    Memory,
    Messages,
    Node,
    Observation,
    Turn,
    User,
    Visit,
)


class Policies(Protocol):
    """The policies that an agent asks. Each question is recorded as one turn."""

    def structured(self, node: Node) -> bool:
        """Return whether the policy of a node can be restricted to a JSON schema.

        If so, an agent asks it for JSON and passes the schema of the answer to `ask`.
        """
        ...

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Ask the policy of a node.

        Args:
            key: Who asks, when, and which policy: see `Call.key`. A key is asked once in a trial.
            messages: The question.
            schema: The JSON schema of the answer, with one word as `title`; only if `structured`.
            expected: The answer that is expected, for policies that can be held to its form.

        Raises:
            PolicyError: There is no answer after all retries.
        """
        ...


class UnaskedPolicies:
    """Policies that are asked nothing: prompts are written as for answers in tags.

    Args:
        why: Why none is asked, for the error of an agent that asks all the same.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def structured(self, node: Node) -> bool:
        """Return that no policy is restricted to a schema."""
        return False

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Refuse to ask."""
        raise AssertionError(self._why)


@runtime_checkable
class NamedPolicies(Protocol):
    """Policies that can say which models answer."""

    def names(self) -> Mapping[str, str]:
        """Return the policy of each node, `policy_fast`, and its weights, `version_fast`.

        Weights that are not loaded yet, or that a model does not name, are left out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """Everything one visit needs besides the agent itself."""

    user: int
    round: int
    person: User
    memory: Memory
    environment: Environment
    policies: Policies
    notes: Mapping[int, str] = field(default_factory=dict)
    """What users wrote about items in earlier rounds (`Step.notes`): the latest note by item. All
    users of a round get the same notes."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """What tells this visit from others in a trace: `run`, `arm`, `seed`, and the policies with
    their versions. An agent changes nothing by them, but for the seed."""

    @property
    def seed(self) -> int:
        """The seed of the trial.

        What an agent draws comes from `Streams(call.seed)`, addressed by user, round and step.
        """
        return int(self.labels.get("seed", 0))

    def key(self, step: int, node: Node, attempt: int = 0) -> CallKey:
        """Return the key under which this visit asks a policy.

        Args:
            step: Index of the step within the visit, from 0.
            node: The node whose policy is asked.
            attempt: 0 for the question, 1 for the repair.

        Raises:
            ValueError: There is no such node.
        """
        if node not in NODES:
            raise ValueError(f"call.key: the node is {node!r}; it must be {' or '.join(NODES)}")
        return CallKey(self.round, self.user, step, node, attempt)


class Agent(Protocol):
    """Plays one visit of one user.

    An agent is built as `Class(config)`, where `config` is an instance of its pydantic model
    `Class.Config`.
    """

    history_limit: int
    """How many experiences a memory keeps."""

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates by name. The manifest stores their hashes."""
        ...

    async def visit(self, call: Call) -> Visit:
        """Play a visit to its end and return it, without side effects."""
        ...


@runtime_checkable
class CohortAgent(Agent, Protocol):
    """An agent that can play the visits of many users together, for `executor: cohort`.

    This is an optional ability. The visits must be those that `visit` returns for each call.
    """

    async def visits(
        self, calls: Sequence[Call], failed: Callable[[Call, BaseException], None]
    ) -> Sequence[Visit | None]:
        """Play the visits of several users of one round.

        Args:
            calls: One for each user; at least one.
            failed: To be called with an error in the visit of one user. It raises where that ends
                the run; otherwise her visit is left out, and the others go on.

        Returns:
            The visit of each call; None for those that failed.
        """
        ...


@runtime_checkable
class OpenAgent(Agent, Protocol):
    """An agent that can build one question and read one answer, outside of a visit.

    Training needs this: it samples several answers to one question and rewards each of them.
    """

    def question(self, call: Call, observation: Observation) -> Messages:
        """Return the messages that ask for a decision, given the memory of the call."""
        ...

    def decision(self, call: Call, text: str, observation: Observation) -> tuple[Decision, str]:
        """Return the decision in a text, and what is wrong with the text (empty if nothing)."""
        ...

    def summary(self, call: Call, text: str) -> tuple[str | None, str]:
        """Return the summary in a text (None without one), and what is wrong with the text."""
        ...

    def rethink(self, messages: Messages, answer: str, problem: str) -> Messages:
        """Return the messages of a repair call, which quote an answer and what is wrong with it."""
        ...


def open_agent(agent: Agent, name: str, why: str = "answers from outside need") -> OpenAgent:
    """Return an agent that can be asked for single answers.

    Args:
        agent: The agent.
        name: Its name, for the message.
        why: What needs the methods, for the message.

    Raises:
        ContractError: It cannot be asked.
    """
    if isinstance(agent, OpenAgent):
        return agent
    lacking = sorted(get_protocol_members(OpenAgent) - {*dir(agent)})
    raise ContractError(
        f"the agent {name} has no {', '.join(lacking)}, which {why}",
        hint="implement starec_sim.agent.OpenAgent, or use the agent `star`",
    )


@runtime_checkable
class RephrasedAgent(Protocol):
    """An agent with a second wording of its prompts. Audits compare the answers to both."""

    def rephrased(self) -> Agent | None:
        """Return an agent with the other wording; None if there is none."""
        ...


@runtime_checkable
class ChecksEnvironment(Protocol):
    """An agent that cannot play in every environment, and says so before anything is played."""

    def check_environment(self, environment: type) -> None:
        """Check the class of an environment.

        Raises:
            ConfigError: The agent cannot play in it.
        """
        ...


@runtime_checkable
class DrawnAgent(Protocol):
    """An agent whose visit is a graph that can be drawn."""

    def mermaid(self) -> str:
        """Return the graph as a drawing in Mermaid, a text format."""
        ...

    def edges(self) -> Sequence[tuple[str, str, bool]]:
        """Return (from, to, whether it is one of several ways) of each edge."""
        ...


def first_memory(environment: Environment, agent: Agent, user: int) -> Memory:
    """Return the memory of a user before her first visit: her history before the simulation."""
    return Memory(environment.history(user)[-agent.history_limit :])


MAX_PAGES = 1_000
"""Pages of one visit after which an environment that never ends it is stopped."""


def endless_visit(call: Call, pages: int) -> ContractError:
    """Return the error of a visit that the environment does not end."""
    return ContractError(
        f"the visit of user {call.person.id} in round {call.round + 1} did not end within "
        f"{pages} pages",
        hint="`respond`, or `react` of a World, must return an `ending` at last",
    )
