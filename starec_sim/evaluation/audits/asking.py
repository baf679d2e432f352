"""Play a panel's users through their history, and ask them the questions of the audits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from starec_sim.agent import Agent, Call, Policies
from starec_sim.environment import Environment
from starec_sim.evaluation.audits.audit_record import AuditRecord
from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswer, PanelQuestion, Wording
from starec_sim.executors.drain import drained_in_time
from starec_sim.executors.pool import run_pool
from starec_sim.progress import report_progress
from starec_sim.runs.trial_state import TrialState
from starec_sim.simulation import Simulation, VisitRules
from starec_sim.types import (
    CallKey,
    Decision,
    ExpectedAnswer,
    Experience,
    Feedback,
    Memory,
    Messages,
    Node,
    Observation,
    Step,
    Turn,
    Visit,
)


async def replay_history(
    agent: Agent,
    environment: Environment,
    policies: Policies,
    record: AuditRecord,
    rounds: int,
    concurrency: int,
) -> list[list[Memory]]:
    """Let all users relive their last choices, one in each round, and record the rounds.

    Args:
        agent: Plays the users.
        environment: The environment of the hold-out evaluation, before its first round.
        policies: The chat models that the agent asks.
        record: Of the audit.
        rounds: How many choices are replayed.
        concurrency: Visits in progress at once.

    Returns:
        For each user her memory before the first choice, and after each.

    Raises:
        PolicyError: Calls failed, and were not refused. Their round is not committed.
    """
    users = range(len(environment.users))
    memories = [[Memory(environment.history(user)[-agent.history_limit :])] for user in users]
    start = TrialState(0, "", {}, {}, None)
    simulation = Simulation(
        agent, environment, policies, record, start, visit_rules=VisitRules(concurrency)
    )
    for round in range(rounds):
        played = await simulation.play_round()
        record.check()
        simulation.commit(played)
        for visit in played.visits:
            memories[visit.user].append(visit.steps[-1].memory)
        report_progress("replaying their last choices", round + 1, rounds)
    return memories


async def ask_panel(
    panel: Panel,
    questions: Collection[PanelQuestion],
    agents: Mapping[Wording, Agent],
    policies: Policies,
    concurrency: int,
) -> dict[PanelQuestion, PanelAnswer]:
    """Ask each question once. The order does not matter: no question changes a memory.

    Raises:
        PausedError: The audit drains.
    """
    unique = list(dict.fromkeys(questions))
    done = 0

    async def answer(question: PanelQuestion) -> PanelAnswer:
        nonlocal done
        environment = _OneSlate(panel, question)
        person = panel.users[question.user if question.person is None else question.person]
        repeated = _RepeatedPolicies(policies, question.repeat * question.pages)
        call = Call(question.user, question.round, person, question.memory, environment, repeated)
        first, *rest = (await agents[question.wording].visit(call)).steps
        done += 1
        if done % 10 == 0 or done == len(unique):
            report_progress("questions", done, len(unique))
        turns = (*first.turns, *(turn for step in rest for turn in step.turns))
        return PanelAnswer(first.decision, turns, tuple(step.decision for step in rest))

    answers = await drained_in_time(run_pool(answer, unique, concurrency))
    return dict(zip(unique, answers, strict=True))


class _RepeatedPolicies:
    """Policies that are asked under steps from `first_step` on: repetitions have other keys."""

    def __init__(self, policies: Policies, first_step: int) -> None:
        self._policies, self._first_step = policies, first_step

    def structured(self, node: Node) -> bool:
        return self._policies.structured(node)

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        place = key._replace(step=self._first_step + key.step)
        return await self._policies.ask(place, messages, schema, expected)


class _OneSlate:
    """An environment of one question: it shows one slate, page by page, and gives no feedback."""

    def __init__(self, panel: Panel, question: PanelQuestion) -> None:
        self._question = question
        self.users = panel.users
        self.items = panel.items
        self.cards: Sequence[str] = panel.cards[question.titles]
        self.popularity = panel.popularity

    def describe(self) -> Mapping[str, Any]:
        return {}

    def history(self, user: int) -> tuple[Experience, ...]:
        return self._question.memory.history

    def begin_round(self, round: int) -> Sequence[int]:
        return (self._question.user,)

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        question, page = self._question, len(steps)
        size = -(-len(question.items) // question.pages)
        items = question.items[page * size : (page + 1) * size]
        cards = tuple(self.cards[item] for item in items)
        return Observation(question.task, items, cards, page + 1)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        over = len(steps) + 1 == self._question.pages
        return Feedback((), ending="done" if over else "left" if decision.leave else "")

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        return None
