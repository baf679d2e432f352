"""The people who are questioned: their memories are built once, then every audit asks them.

Memories come from the exam environment: each user lives through her last choices, as in an
evaluation. A question is a slate before one of these memories; it reveals nothing and changes
nothing, so that thousands of questions can be asked of one state. Equal questions of several audits
are asked once, and a question's random seed is made of its content: leaving an audit out does not
change the answers of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from starec_sim import metrics
from starec_sim.agent import Agent, Call, Policies
from starec_sim.cards import card
from starec_sim.environment import Environment
from starec_sim.executors.pool import run_pool
from starec_sim.holdout import HoldOut
from starec_sim.progress import tell
from starec_sim.rng import Streams
from starec_sim.types import (
    CallKey,
    Decision,
    Experience,
    Feedback,
    FloatArray,
    IntArray,
    Item,
    Memory,
    Messages,
    Node,
    Observation,
    Step,
    Task,
    Turn,
    User,
    Visit,
)

Face = Literal["true", "masked", "renamed"]
"""What items are called: by their titles, by numbers, or by the titles of others."""
Words = Literal["usual", "other"]
"""Whether the agent asks in its usual words, or says the same in others."""

FIRST_ROUND = 1_000_000
"""Rounds of questions begin here: no replay is that long."""


@dataclass(frozen=True, slots=True)
class PanelQuestion:
    """A slate, before somebody with a memory."""

    user: int
    """Whose list it is: her place in the panel."""
    items: tuple[int, ...]
    memory: Memory
    person: int | None = None
    """Whose profile the agent plays, when it is another's."""
    task: Task = "ranking"
    face: Face = "true"
    words: Words = "usual"
    repeat: int = 0
    """Tells apart askings of the same."""

    @property
    def round(self) -> int:
        """The round under which the policy is asked: a hash of everything but `repeat`.

        Random seeds of the policy and keys of the cache depend on it, so the text that is hashed
        never changes. It is the `repr` that this class had when audits were first published.
        """
        content = (
            f"Question(user={self.user!r}, items={self.items!r}, memory={self.memory!r}, "
            f"person={self.person!r}, task={self.task!r}, face={self.face!r}, "
            f"words={self.words!r}, repeat=0)"
        ).encode()
        return FIRST_ROUND + int.from_bytes(hashlib.blake2b(content, digest_size=5).digest())


class PanelAnswer(NamedTuple):
    """What came of a question."""

    decision: Decision
    turns: tuple[Turn, ...]


PanelAnswers = Mapping[PanelQuestion, PanelAnswer]


class Panel:
    """Users with their exams and what they remember.

    Args:
        exam: Who is questioned, and the first of whose lists is asked about.
        matched: The same exam with negatives as popular as the answers; None where the catalogue
            has too few items.
        people: The users, in the order of the exam.
        lived: For each user her memory before the first replayed choice, and after each.
        seed: Of what audits draw.
    """

    def __init__(
        self,
        exam: HoldOut,
        matched: HoldOut | None,
        people: Sequence[User],
        lived: Sequence[Sequence[Memory]],
        seed: int = 0,
    ) -> None:
        self.exam, self.matched = exam, matched
        self.people, self.lived = people, lived
        self.streams = Streams(seed)
        self.items: Sequence[Item] = exam.dataset.items
        self.rated = not np.isnan(exam.dataset.log.ratings).any()
        """Whether the log has ratings at all."""
        self.popularity: IntArray = exam.popularity
        self.cards: Mapping[Face, tuple[str, ...]] = {
            "true": tuple(map(card, self.items)),
            "masked": tuple(
                card(replace(item, title=f"Item {row + 1}")) for row, item in enumerate(self.items)
            ),
            "renamed": tuple(
                card(replace(item, title=self.items[other].title))
                for item, other in zip(self.items, self._shuffled(), strict=True)
            ),
        }

    def _shuffled(self) -> list[int]:
        """Return for each item another one, whose title it takes."""
        order = self.streams.stream("audit titles").permutation(len(self.items))
        taken = np.empty(len(order), np.int64)
        taken[order] = np.roll(order, 1)
        return [int(item) for item in taken]

    def __len__(self) -> int:
        return len(self.people)

    @property
    def answers(self) -> IntArray:
        """The item that each user really chose."""
        return self.exam.answers

    def memory(self, user: int) -> Memory:
        """Return what a user remembers when her exam begins."""
        return self.lived[user][-1]

    def own(self, user: int, **changes: Any) -> PanelQuestion:
        """Return the question about a user's own list, her own memory in mind."""
        items = tuple(self.exam.candidate_lists[user, 0].tolist())
        return replace(PanelQuestion(user, items, self.memory(user)), **changes)

    def partner(self, user: int) -> int:
        """Return another user, everybody's another one."""
        return (user + 1) % len(self)

    def ndcg(
        self, answers: PanelAnswers, questions: Iterable[PanelQuestion], k: int = 10
    ) -> FloatArray:
        """Return NDCG@k of the user's true choice for each question."""
        ranks = [
            answers[asked].decision.rank_of(int(self.answers[asked.user])) or np.nan
            for asked in questions
        ]
        return metrics.ndcg(np.array(ranks, np.float64), k)

    def held_out(self, user: int) -> tuple[IntArray, FloatArray]:
        """Return items that the user's memory cannot know, and her ratings of them.

        They are what she rated before the sequence that counts, and from the answer on; in a
        generated world, what she would give to items that she never met. Interactions without a
        rating are none.
        """
        life, world = self.exam.user_logs[user], self.exam.dataset.world
        unknown = np.ones(len(life.items), bool)
        unknown[life.first : life.choices[-1]] = False
        if not self.rated:
            unknown[:] = False
        items, stars = life.items[unknown], life.ratings[unknown]
        if world is not None:
            rng = self.streams.stream("audit unmet", user=life.row)
            unmet = np.setdiff1d(np.arange(len(self.items)), life.items)
            more = rng.choice(unmet, min(40, len(unmet)), replace=False)
            items = np.concatenate([items, more])
            stars = np.concatenate([stars, np.rint(world.ratings(life.row, more, 0))])
        return items, stars

    def never_met(self, user: int, count: int, purpose: str) -> IntArray:
        """Return items that the user never touched, drawn evenly; as many as there are of them."""
        life = self.exam.user_logs[user]
        unmet = np.setdiff1d(np.arange(len(self.items)), life.items)
        rng = self.streams.stream(purpose, user=life.row)
        return rng.choice(unmet, min(count, len(unmet)), replace=False)


async def live(
    agent: Agent,
    environment: Environment,
    policies: Policies,
    rounds: int,
    concurrency: int,
) -> list[list[Memory]]:
    """Let everybody live through her choices; return her memories, from before the first one on."""
    users = range(len(environment.users))
    lived = [[Memory(environment.history(user)[-agent.history_limit :])] for user in users]
    for round in range(rounds):
        visitors = list(environment.begin_round(round))

        async def visit(user: int, round: int = round) -> Visit:
            person, memory = environment.users[user], lived[user][-1]
            return await agent.visit(Call(user, round, person, memory, environment, policies))

        visits = await run_pool(visit, visitors, concurrency)
        environment.end_round(visits)
        for played in visits:
            lived[played.user].append(played.steps[-1].memory)
        tell("living through their last choices", round + 1, rounds)
    return lived


async def ask(
    panel: Panel,
    questions: Collection[PanelQuestion],
    agents: Mapping[Words, Agent],
    policies: Policies,
    concurrency: int,
) -> dict[PanelQuestion, PanelAnswer]:
    """Ask each question once, in no particular order."""
    unique = list(dict.fromkeys(questions))
    done = 0

    async def answer(question: PanelQuestion) -> PanelAnswer:
        nonlocal done
        world = _Probe(panel, question)
        whose = question.user if question.person is None else question.person
        person, policy = panel.people[whose], _Addressed(policies, question.repeat)
        call = Call(question.user, question.round, person, question.memory, world, policy)
        (step,) = (await agents[question.words].visit(call)).steps
        done += 1
        if done % 10 == 0 or done == len(unique):
            tell("questions", done, len(unique))
        return PanelAnswer(step.decision, step.turns)

    return dict(zip(unique, await run_pool(answer, unique, concurrency), strict=True))


class _Addressed:
    """Policies that are asked at the repeat's address."""

    def __init__(self, policies: Policies, repeat: int) -> None:
        self._policies, self._repeat = policies, repeat

    def structured(self, node: Node) -> bool:
        return self._policies.structured(node)

    async def ask(
        self, key: CallKey, messages: Messages, schema: Mapping[str, Any] | None = None
    ) -> Turn:
        return await self._policies.ask(key._replace(step=self._repeat), messages, schema)


class _Probe:
    """A world of one question: it shows a slate, and whatever is answered reveals nothing."""

    def __init__(self, panel: Panel, question: PanelQuestion) -> None:
        self._question = question
        self.users = panel.people
        self.items = panel.items
        self.cards: Sequence[str] = panel.cards[question.face]
        self.popularity = panel.popularity

    def describe(self) -> Mapping[str, Any]:
        return {}

    def history(self, user: int) -> tuple[Experience, ...]:
        return self._question.memory.history

    def begin_round(self, round: int) -> Sequence[int]:
        return (self._question.user,)

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        items = self._question.items
        cards = tuple(self.cards[item] for item in items)
        return Observation(self._question.task, items, cards)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        return Feedback((), ending="done")

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        return None
