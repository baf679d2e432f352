"""Rollouts: groups of answers from the simulation as it is, each with its reward.

Two ways to make a group:

* `branch`: several answers to one question. One is committed, and the visit goes on with it; the
  others are read, and the world responds to each. Within a round the world is read-only, so this
  costs no copy of it.
* `episode`: several visits of one user with one seed. The first is committed.

A call that came to nothing, retries included, is no answer: its place in the group stays empty.

A summary earns what a follow-up ranking earns that is made with it: the user's next step, in this
visit or in her next one, whose candidates no author of a summary has been told about.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from starec_sim.agent import Call, OpenAgent, Policies
from starec_sim.errors import ContractError
from starec_sim.learning.rewards import Outcome, Rewards, counters, outcome_of, returns
from starec_sim.learning.rows import Rollout, Row, merge
from starec_sim.types import CallKey, Memory, Messages, Node, Observation, Step, Tokens, Turn, Visit

Groups = Literal["branch", "episode"]

BRANCH, FOLLOW_UP, EPISODE = 100, 1_000, 10_000
"""Attempts from which the further answers of a group, the follow-ups of its summaries, and the
further visits of an episode are counted: each has a seed and a place in the record of its own."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary that waits for the ranking that will reward it."""

    group: str
    number: int
    """Which of its group."""
    rows: tuple[Row, ...]
    text: str
    """The answer it was read from."""
    summary: str | None
    """None where none could be read."""
    clean: bool
    told: tuple[int, ...]
    """Items that its author was told about."""
    version: str
    temperature: float


class _Answer(NamedTuple):
    """One of the answers to one question."""

    number: int
    turn: Turn


class _Sampler:
    """Asks for whole groups where an agent asks once; implements `Policies`."""

    def __init__(self, policies: Policies, nodes: Sequence[Node], size: int, offset: int) -> None:
        self._policies = policies
        self._nodes = nodes
        self._size = size
        self._offset = offset
        self.answers: dict[tuple[int, Node], list[_Answer]] = {}
        """By step and node."""

    def structured(self, node: Node) -> bool:
        return self._policies.structured(node)

    async def ask(
        self, key: CallKey, messages: Messages, schema: Mapping[str, Any] | None = None
    ) -> Turn:
        attempt = key.attempt
        whole = attempt == 0 and key.node in self._nodes
        attempts = [attempt, *range(BRANCH + 1, BRANCH + self._size)] if whole else [attempt]
        # Together, so that a local engine reads the question once.
        turns = await asyncio.gather(
            *(
                self._policies.ask(key._replace(attempt=self._offset + each), messages, schema)
                for each in attempts
            )
        )
        if whole:
            self.answers[key.step, key.node] = [
                _Answer(number, turn) for number, turn in enumerate(turns)
            ]
        return replace(turns[0], attempt=attempt)


class Collector:
    """Plays visits as an agent does, and collects rollouts on the way; implements `Agent`.

    Args:
        agent: Who plays.
        rewards: What an answer earns.
        groups: How groups are made.
        size: Answers, or visits, in a group.
        nodes: Whose answers are collected.
    """

    def __init__(
        self,
        agent: OpenAgent,
        rewards: Rewards,
        *,
        groups: Groups = "branch",
        size: int = 8,
        nodes: Sequence[Node] = ("fast", "slow"),
    ) -> None:
        self.history_limit = agent.history_limit
        self._agent = agent
        self._rewards = rewards
        self._groups = groups
        self._size = size
        self._nodes = tuple(nodes)
        self.prefix = ""
        """Stands before every group's name, so that those of different trials differ."""
        self.waiting: dict[int, list[Summary]] = {}
        """Summaries that wait for their author's next visit, by user."""
        self._next: dict[int, list[Summary]] = {}
        self._found: dict[int, list[Rollout]] = {}

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates of the agent."""
        return self._agent.prompts()

    def take(self) -> list[Rollout]:
        """End the round: return its rollouts in order of user, whoever came first."""
        found = [rollout for user in sorted(self._found) for rollout in self._found[user]]
        # Whoever stayed away comes later.
        away = {user: told for user, told in self.waiting.items() if user not in self._found}
        self.waiting, self._next, self._found = away | self._next, {}, {}
        return found

    async def visit(self, call: Call) -> Visit:
        """Play a visit and what belongs to its groups; return the one that counts."""
        steps: tuple[Step, ...] = ()
        rollouts = await self._followed_up(call, steps, self.waiting.get(call.user, ()))
        if self._groups == "branch":
            visit, more, waiting = await self._branches(call)
        else:
            visit, more, waiting = await self._episodes(call)
        self._found[call.user] = rollouts + more
        if waiting:
            self._next[call.user] = waiting
        return visit

    async def _branches(self, call: Call) -> tuple[Visit, list[Rollout], list[Summary]]:
        sampler = _Sampler(call.policies, self._nodes, self._size, 0)
        visit = await self._agent.visit(replace(call, policies=sampler))
        rollouts: list[Rollout] = []
        waiting: list[Summary] = []
        for number, step in enumerate(visit.steps):
            before = visit.steps[:number]
            for answer in sampler.answers.get((number, "fast"), ()):
                if not answer.turn.failure:
                    rollouts.append(self._decided(call, before, step.observation, answer))
            if waiting:
                rollouts += await self._followed_up(call, before, waiting)
            waiting = [
                self._summed_up(call, f"{number}/slow", step, answer.number, [answer.turn])
                for answer in sampler.answers.get((number, "slow"), ())
                if not answer.turn.failure
            ]
        return visit, rollouts, waiting

    async def _episodes(self, call: Call) -> tuple[Visit, list[Rollout], list[Summary]]:
        samplers = [
            _Sampler(call.policies, (), 1, EPISODE * number) for number in range(self._size)
        ]
        visits = await asyncio.gather(
            *(self._agent.visit(replace(call, policies=sampler)) for sampler in samplers)
        )
        rollouts, waiting = [], []
        for number, visit in enumerate(visits):
            if any(turn.failure for step in visit.steps for turn in step.turns):
                continue
            if "fast" in self._nodes:
                rollouts.append(self._lived(call, visit))
            thoughts = [turn for turn in visit.steps[-1].turns if turn.node == "slow"]
            if thoughts and "slow" in self._nodes:
                waiting.append(
                    self._summed_up(call, "slow", visit.steps[-1], number, thoughts[-1:])
                )
        return visits[0], rollouts, waiting

    def _decided(
        self, call: Call, before: tuple[Step, ...], observation: Observation, answer: _Answer
    ) -> Rollout:
        """Reward one of the answers to a question, as if it had been the committed one."""
        turn = answer.turn
        decision, problem = self._agent.decision(call, turn.completion, observation)
        feedback = call.environment.respond(call.user, before, observation, decision)
        outcome = Outcome("fast", turn.completion, not problem, observation, decision, feedback)
        rows, tokens = _rows([turn])
        return self._rollout(call, f"{len(before)}/fast", outcome, rows, tokens)

    def _lived(self, call: Call, visit: Visit) -> Rollout:
        """Reward a whole visit by the mean of its steps.

        A last second thought changes nothing within the visit, so it is not credited with it.
        """
        turns: list[Turn] = []
        rewards, components = [], defaultdict(list)
        for number, step in enumerate(visit.steps):
            last = number == len(visit.steps) - 1
            turns += [
                turn
                for turn in step.turns
                if turn.node == "fast" or (turn.node in self._nodes and not last)
            ]
            outcome = outcome_of(step)
            reward, told = self._rewards.of(outcome, self._who(call))
            rewards.append(reward)
            for name, value in told.items():
                components[name].append(value)
        rows, tokens = _rows(turns)
        written = sum(len(turn.tokens.completion) for turn in turns if turn.tokens)
        return Rollout(
            f"{self.prefix}{call.round}/{call.user}/episode",
            "fast",
            rows,
            sum(rewards) / len(rewards),
            tokens.version,
            tokens.sampling.get("temperature", 1.0),
            {name: sum(values) / len(values) for name, values in components.items()},
            counters(outcome, written),
        )

    def _summed_up(
        self, call: Call, group: str, step: Step, number: int, turns: Sequence[Turn]
    ) -> Summary:
        text = turns[-1].completion
        summary, problem = self._agent.summary(call, text)
        rows, tokens = _rows(turns)
        return Summary(
            f"{self.prefix}{call.round}/{call.user}/{group}",
            number,
            rows,
            text,
            summary,
            not problem,
            tuple(experience.item for experience in step.feedback.experiences),
            tokens.version,
            tokens.sampling.get("temperature", 1.0),
        )

    async def _followed_up(
        self, call: Call, before: tuple[Step, ...], summaries: Sequence[Summary]
    ) -> list[Rollout]:
        """Rank once with each of the summaries; none where the world shows what it told before."""
        if not summaries:
            return []
        observation = call.environment.observe(call.user, before)
        told = {item for summary in summaries for item in summary.told}
        if told & set(observation.slate):
            return []
        memory = before[-1].memory if before else call.memory
        found = await asyncio.gather(
            *(self._follow_up(call, before, memory, observation, each) for each in summaries)
        )
        return [rollout for rollout in found if rollout is not None]

    async def _follow_up(
        self,
        call: Call,
        before: tuple[Step, ...],
        memory: Memory,
        observation: Observation,
        summary: Summary,
    ) -> Rollout | None:
        """Rank once with a summary, and reward it; None where the call came to nothing."""
        decision, feedback = None, None
        if summary.summary is not None:
            remembering = replace(call, memory=replace(memory, summary=summary.summary))
            turn = await call.policies.ask(
                call.key(len(before), "fast", FOLLOW_UP + summary.number),
                self._agent.question(remembering, observation),
            )
            if turn.failure:
                return None
            decision, _ = self._agent.decision(call, turn.completion, observation)
            feedback = call.environment.respond(call.user, before, observation, decision)
        outcome = Outcome("slow", summary.text, summary.clean, observation, decision, feedback)
        reward, components = self._rewards.of(outcome, self._who(call))
        written = sum(sum(row.sampled) for row in summary.rows)
        return Rollout(
            summary.group,
            "slow",
            summary.rows,
            reward,
            summary.version,
            summary.temperature,
            components,
            counters(outcome, written),
        )

    def _rollout(
        self, call: Call, group: str, outcome: Outcome, rows: tuple[Row, ...], tokens: Tokens
    ) -> Rollout:
        reward, components = self._rewards.of(outcome, self._who(call))
        return Rollout(
            f"{self.prefix}{call.round}/{call.user}/{group}",
            outcome.node,
            rows,
            reward,
            tokens.version,
            tokens.sampling.get("temperature", 1.0),
            components,
            counters(outcome, len(tokens.completion)),
            returns(outcome),
        )

    def _who(self, call: Call) -> str:
        return f"user {call.person.id} in round {call.round}"


def _rows(turns: Sequence[Turn]) -> tuple[tuple[Row, ...], Tokens]:
    """Return the rows of turns, and the tokens of the last one."""
    tokens = [turn.tokens for turn in turns if turn.tokens is not None]
    if len(tokens) < len(turns) or not tokens:
        raise ContractError(
            f"the policy {turns[0].policy if turns else ''} reports no tokens, so nothing can be "
            "learned from its answers",
            hint="train `local`, or set token_ids: true for `openai` and a server that gives them",
        )
    return merge(tokens), tokens[-1]
