"""The agent of a population: each user is played by the agent of her kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from starec_sim.agent import Call
from starec_sim.boundary.agent import CheckedAgent
from starec_sim.errors import StarecError
from starec_sim.executors.pool import run_pool
from starec_sim.population.kinds import kinds_of
from starec_sim.population.policies import of_kind
from starec_sim.population.settings import UserKind
from starec_sim.types import Memory, Visit


class PopulationAgent(CheckedAgent):
    """Plays each user with the agent and the policies of her kind.

    Args:
        kinds: Say who is of which kind.
        agents: The agent of each kind.
    """

    def __init__(self, kinds: Mapping[str, UserKind], agents: Mapping[str, CheckedAgent]) -> None:
        # Not the constructor of `CheckedAgent`: the agents of the kinds are checked themselves.
        self.plugin = None
        self._kinds, self.agents = kinds, agents
        self.history_limit = max(agent.history_limit for agent in agents.values())

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates of all kinds, after the name of the kind."""
        return {
            f"{kind}/{name}": text
            for kind, agent in self.agents.items()
            for name, text in agent.prompts().items()
        }

    async def visit(self, call: Call) -> Visit:
        """Play a visit with the agent of the user's kind."""
        (kind,) = kinds_of(self._kinds, [call.person], call.seed)
        return await self.agents[kind].visit(self.call_of(kind, call))

    def call_of(self, kind: str, call: Call) -> Call:
        """Return a call with the policies of a kind, and no more memory than its agent keeps."""
        memory, most = call.memory, self.agents[kind].history_limit
        if len(memory.history) > most:
            # A user's first memory is as long as the longest that an agent of the population keeps.
            memory = Memory(memory.history[-most:], memory.summary, memory.steps)
        policies, labels = of_kind(call.policies, kind), {**call.labels, "kind": kind}
        return replace(call, memory=memory, policies=policies, labels=labels)

    @property
    def label(self) -> str:
        """All agents, for messages."""
        return ", ".join(dict.fromkeys(agent.label for agent in self.agents.values()))

    @property
    def why_one_by_one(self) -> str:
        """Why agents of some kinds do not play cohorts; empty if those of all kinds do."""
        reasons = (agent.why_one_by_one for agent in self.agents.values())
        return "; ".join(dict.fromkeys(filter(None, reasons)))

    async def visits(
        self, calls: Sequence[Call], failed: Callable[[Call, StarecError], None]
    ) -> list[Visit | None]:
        """Play several visits, those of one kind together; see `starec_sim.agent.CohortAgent`."""
        kinds = kinds_of(self._kinds, [call.person for call in calls], calls[0].seed)
        rows: dict[str, list[int]] = {}
        for row, kind in enumerate(kinds):
            rows.setdefault(kind, []).append(row)

        async def play(kind: str) -> list[Visit | None]:
            own = [self.call_of(kind, calls[row]) for row in rows[kind]]
            return await self.agents[kind].visits(own, failed)

        played = await run_pool(play, list(rows), len(rows))
        visits: list[Visit | None] = [None] * len(calls)
        for kind, own in zip(rows, played, strict=True):
            for row, visit in zip(rows[kind], own, strict=True):
                visits[row] = visit
        return visits
