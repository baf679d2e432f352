"""The protocol of an agent: the one graph that plays all users.

A user is state, not a graph: what she remembers comes in with the call and goes out with the visit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from starec_sim.environment import Environment
from starec_sim.types import (
    CallKey,
    Decision,
    Memory,
    Messages,
    Node,
    Observation,
    Turn,
    User,
    Visit,
)


class Policies(Protocol):
    """The only way an agent reaches a model: one asked question, one recorded turn."""

    def structured(self, node: Node) -> bool:
        """Say whether the policy of a node can be held to a JSON schema.

        An agent then asks it for JSON, and hands `ask` the schema of the answer.
        """
        ...

    async def ask(
        self, key: CallKey, messages: Messages, schema: Mapping[str, Any] | None = None
    ) -> Turn:
        """Ask the policy of a node.

        Args:
            key: Who asks, when, and which policy: see `Call.key`. A key is asked once in a trial.
            messages: The question.
            schema: The JSON schema of the answer, its `title` a word; only where `structured`.

        Raises:
            PolicyError: The model cannot be reached or refuses for good.
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
    """What users wrote about items in earlier rounds (`Step.notes`), the latest of each item. The
    same for everybody in a round, and never changed during it."""

    def key(self, step: int, node: Node, attempt: int = 0) -> CallKey:
        """Return the key under which this visit asks a policy.

        Args:
            step: Index of the step within the visit, from 0.
            node: Whose policy is asked.
            attempt: 0 for the question, 1 for the repair.
        """
        return CallKey(self.round, self.user, step, node, attempt)


class Agent(Protocol):
    """Plays one visit of one user.

    An agent is built as `Class(config)`, where `config` is an instance of its pydantic model
    `Class.Config`.
    """

    history_limit: int
    """How many experiences a memory keeps."""

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates by name, for the run's record."""
        ...

    async def visit(self, call: Call) -> Visit:
        """Play a visit to its end and return it. Changes nothing outside."""
        ...


@runtime_checkable
class OpenAgent(Agent, Protocol):
    """An agent whose single answers can be asked for and read apart from a visit.

    Learning needs it: it samples several answers to one question, and judges each of them.
    """

    def question(self, call: Call, observation: Observation) -> Messages:
        """Return the messages that ask for a decision, given the memory of the call."""
        ...

    def decision(self, call: Call, text: str, observation: Observation) -> tuple[Decision, str]:
        """Read a decision, and say what is wrong with the text; nothing for a clean one."""
        ...

    def summary(self, call: Call, text: str) -> tuple[str | None, str]:
        """Read a summary, and say what is wrong with the text; None where it holds none."""
        ...

    def rethink(self, messages: Messages, answer: str, problem: str) -> Messages:
        """Return the messages that ask again, quoting an answer and what is wrong with it."""
        ...


@runtime_checkable
class RephrasedAgent(Protocol):
    """An agent that can ask the same in other words. Audits compare the answers to both."""

    def rephrased(self) -> Agent | None:
        """Return an agent that asks the same in other words; None where there are no such words."""
        ...
