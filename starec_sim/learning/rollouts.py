"""Rollouts: groups of answers from the simulation, each with its reward.

There are two kinds of groups:

* `branch`: several answers to one prompt. The first one is committed and the visit continues with
  it; the environment responds to the others as well. Within a round the environment is read-only,
  so no copy of it is needed.
* `episode`: several visits of one user with one seed. The first one is committed.

A call that fails after all its retries is left out of its group.

A summary gets the reward of a follow-up ranking that is made with it: the next step of the user, in
this visit or in the next one, if its candidates were not shown to the writer of the summary.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from starec_sim.agent import Call, OpenAgent, Policies
from starec_sim.errors import ContractError
from starec_sim.learning.rewards import AnswerOutcome, Rewards, counters, outcome_of, returns
from starec_sim.learning.rows import Rollout, TokenRow, merge
from starec_sim.runs.attempts import BRANCH, EPISODE, FOLLOW_UP
from starec_sim.types import (
    CallKey,
    ExpectedAnswer,
    Memory,
    Messages,
    Node,
    Observation,
    Step,
    Tokens,
    Turn,
    Visit,
)

Groups = Literal["branch", "episode"]


@dataclass(frozen=True, slots=True)
class PendingSummary:
    """A summary whose follow-up ranking is not made yet."""

    group: str
    number: int
    """Its number in the group."""
    rows: tuple[TokenRow, ...]
    text: str
    """The answer that it was read from."""
    summary: str | None
    """None if the answer could not be read."""
    clean: bool
    seen: tuple[int, ...]
    """Items whose ratings the writer had seen."""
    version: str
    temperature: float


class _Answer(NamedTuple):
    """One of the answers to one prompt."""

    number: int
    turn: Turn


class _GroupPolicies:
    """Asks for a whole group of answers when the agent asks for one; implements `Policies`."""

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
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        attempt = key.attempt
        as_group = attempt == 0 and key.node in self._nodes
        attempts = [attempt, *range(BRANCH + 1, BRANCH + self._size)] if as_group else [attempt]
        # All at once, so that a local engine reads the prompt once.
        turns = await asyncio.gather(
            *(
                self._policies.ask(
                    key._replace(attempt=self._offset + each), messages, schema, expected
                )
                for each in attempts
            )
        )
        if as_group:
            self.answers[key.step, key.node] = [
                _Answer(number, turn) for number, turn in enumerate(turns)
            ]
        return replace(turns[0], attempt=attempt)


class Collector:
    """Plays visits like an agent and collects rollouts; implements `Agent`.

    Args:
        agent: Plays the users.
        rewards: The reward of an answer.
        groups: The kind of groups.
        size: Answers, or visits, in a group.
        nodes: The nodes whose answers are collected.
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
        """Put before the name of every group, so that groups of different trials differ."""
        self.pending: dict[int, list[PendingSummary]] = {}
        """Summaries of earlier rounds without a follow-up ranking, by user."""
        self._pending_next: dict[int, list[PendingSummary]] = {}
        self._rollouts: dict[int, list[Rollout]] = {}

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates of the agent."""
        return self._agent.prompts()

    def take(self) -> list[Rollout]:
        """End the round: return its rollouts in order of user."""
        by_user = self._rollouts
        # A user who did not visit in this round may visit later.
        absent = {user: left for user, left in self.pending.items() if user not in by_user}
        self.pending, self._pending_next, self._rollouts = absent | self._pending_next, {}, {}
        return [rollout for user in sorted(by_user) for rollout in by_user[user]]

    async def visit(self, call: Call) -> Visit:
        """Play a visit and the rest of its groups; return the visit that is committed."""
        rollouts = await self._follow_ups(call, (), self.pending.get(call.user, ()))
        if self._groups == "branch":
            visit, more, pending = await self._branches(call)
        else:
            visit, more, pending = await self._episodes(call)
        self._rollouts[call.user] = rollouts + more
        if pending:
            self._pending_next[call.user] = pending
        return visit

    async def _branches(self, call: Call) -> tuple[Visit, list[Rollout], list[PendingSummary]]:
        group = _GroupPolicies(call.policies, self._nodes, self._size, 0)
        visit = await self._agent.visit(replace(call, policies=group))
        rollouts: list[Rollout] = []
        pending: list[PendingSummary] = []
        for number, step in enumerate(visit.steps):
            before = visit.steps[:number]
            for answer in group.answers.get((number, "fast"), ()):
                if not answer.turn.failure:
                    rollouts.append(self._decision_rollout(call, before, step.observation, answer))
            if pending:
                rollouts += await self._follow_ups(call, before, pending)
            pending = [
                self._pending_summary(call, f"{number}/slow", step, answer.number, [answer.turn])
                for answer in group.answers.get((number, "slow"), ())
                if not answer.turn.failure
            ]
        return visit, rollouts, pending

    async def _episodes(self, call: Call) -> tuple[Visit, list[Rollout], list[PendingSummary]]:
        policies = [
            _GroupPolicies(call.policies, (), 1, EPISODE * number) for number in range(self._size)
        ]
        visits = await asyncio.gather(
            *(self._agent.visit(replace(call, policies=each)) for each in policies)
        )
        rollouts, pending = [], []
        for number, visit in enumerate(visits):
            if any(turn.failure for step in visit.steps for turn in step.turns):
                continue
            if "fast" in self._nodes:
                rollouts.append(self._visit_rollout(call, visit))
            slow = [turn for turn in visit.steps[-1].turns if turn.node == "slow"]
            if slow and "slow" in self._nodes:
                pending.append(
                    self._pending_summary(call, "slow", visit.steps[-1], number, slow[-1:])
                )
        return visits[0], rollouts, pending

    def _decision_rollout(
        self, call: Call, before: tuple[Step, ...], observation: Observation, answer: _Answer
    ) -> Rollout:
        """Return the rollout of one answer, rewarded as if it were the committed one."""
        turn = answer.turn
        decision, problem = self._agent.decision(call, turn.completion, observation)
        feedback = call.environment.respond(call.user, before, observation, decision)
        outcome = AnswerOutcome(
            "fast", turn.completion, not problem, observation, decision, feedback
        )
        rows, tokens = _rows([turn])
        return self._rollout(call, f"{len(before)}/fast", outcome, rows, tokens)

    def _visit_rollout(self, call: Call, visit: Visit) -> Rollout:
        """Return the rollout of a whole visit, rewarded by the mean of its steps.

        The slow answer of the last step changes nothing within the visit and is left out.
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
            reward, values = self._rewards.of(outcome, self._who(call))
            rewards.append(reward)
            for name, value in values.items():
                components[name].append(value)
        rows, tokens = _rows(turns)
        written = sum(len(turn.tokens.completion) for turn in turns if turn.tokens)
        return Rollout(
            self._group(call, "episode"),
            "fast",
            rows,
            sum(rewards) / len(rewards),
            tokens.version,
            tokens.sampling.get("temperature", 1.0),
            {name: sum(values) / len(values) for name, values in components.items()},
            counters(outcome, written),
        )

    def _pending_summary(
        self, call: Call, group: str, step: Step, number: int, turns: Sequence[Turn]
    ) -> PendingSummary:
        text = turns[-1].completion
        summary, problem = self._agent.summary(call, text)
        rows, tokens = _rows(turns)
        return PendingSummary(
            self._group(call, group),
            number,
            rows,
            text,
            summary,
            not problem,
            tuple(experience.item for experience in step.feedback.experiences),
            tokens.version,
            tokens.sampling.get("temperature", 1.0),
        )

    async def _follow_ups(
        self, call: Call, before: tuple[Step, ...], summaries: Sequence[PendingSummary]
    ) -> list[Rollout]:
        """Rank once with each summary, unless a writer of one has seen a candidate's rating."""
        if not summaries:
            return []
        observation = call.environment.observe(call.user, before)
        seen = {item for summary in summaries for item in summary.seen}
        if seen & set(observation.slate):
            return []
        memory = before[-1].memory if before else call.memory
        rollouts = await asyncio.gather(
            *(self._follow_up(call, before, memory, observation, each) for each in summaries)
        )
        return [rollout for rollout in rollouts if rollout is not None]

    async def _follow_up(
        self,
        call: Call,
        before: tuple[Step, ...],
        memory: Memory,
        observation: Observation,
        summary: PendingSummary,
    ) -> Rollout | None:
        """Rank once with a summary and reward it; None if the call failed."""
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
        outcome = AnswerOutcome(
            "slow", summary.text, summary.clean, observation, decision, feedback
        )
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
        self,
        call: Call,
        group: str,
        outcome: AnswerOutcome,
        rows: tuple[TokenRow, ...],
        tokens: Tokens,
    ) -> Rollout:
        reward, components = self._rewards.of(outcome, self._who(call))
        return Rollout(
            self._group(call, group),
            outcome.node,
            rows,
            reward,
            tokens.version,
            tokens.sampling.get("temperature", 1.0),
            components,
            counters(outcome, len(tokens.completion)),
            returns(outcome),
        )

    def _group(self, call: Call, name: str) -> str:
        """Return the name of a group; unique over the rounds of all trials."""
        return f"{self.prefix}{call.round}/{call.user}/{name}"

    def _who(self, call: Call) -> str:
        return f"user {call.person.id} in round {call.round + 1}"


def _rows(turns: Sequence[Turn]) -> tuple[tuple[TokenRow, ...], Tokens]:
    """Return the rows of turns, and the tokens of the last one."""
    tokens = [turn.tokens for turn in turns if turn.tokens is not None]
    if len(tokens) < len(turns) or not tokens:
        raise ContractError(
            f"the policy {turns[0].policy if turns else ''} reports no tokens, so nothing can be "
            "learned from its answers",
            hint="train `local`, or set token_ids: true for `openai` and a server that gives them",
        )
    if any(each.sampling.get("constrained") for each in tokens):
        raise ContractError(
            f"the policy {turns[0].policy} was held to a grammar, so the probabilities that it "
            "reports are not those of its weights",
            hint="set constrained: false for the policy that learns",
        )
    return merge(tokens), tokens[-1]
