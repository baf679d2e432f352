"""The corpus for SFT: questions as the STAR agent asks them, answered by the scripted reasoner.

The samples of user number n depend on the seed and n alone. Nothing is stored: the trainer
generates the corpus while it reads, and can continue at any number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from undecided import guess
from worlds import Rng, World

from starec_agents.star import StarPrompts
from starec_environments.datasets.synthetic_titles import occupation
from starec_environments.signals import (
    BAND_NAMES,
    COMPARED_LAST,
    SHOWN_TOGETHER,
    TITLE_LIMIT,
    together_value,
)
from starec_sim import (
    FEED,
    RANKING,
    Action,
    Decision,
    Experience,
    Feedback,
    Item,
    Observation,
    User,
    card,
)
from starec_sim.answers import label, read_decision, read_prompt, read_summary
from starec_sim.cards import quoted
from starec_sim.policies.reasoner import ReasonerPolicy
from starec_sim.tasks import BUILT_IN
from starec_sim.types import Memory, Messages

WORDS = 180
HISTORY = 10

MOST_TOGETHER = 20
"""The largest together count (`liked together with: N`) on a card of the corpus."""

ANSWERS = 2
"""How many answers a question about a decision has. Reading a question takes four times as long as
writing an answer to it, and the model reads it once for all of them."""

PROMPTS = StarPrompts.read(None, HISTORY, WORDS)
KEEPS = 24
"""How many attributes a summary has: no more fit into the 400 tokens of an answer."""
TEACHER = ReasonerPolicy(keeps=KEEPS)
EAGER = ReasonerPolicy(named=0.15, strong=0.4, keeps=KEEPS)


@dataclass(frozen=True)
class Course:
    """Which kinds of questions are asked, and by which teacher they are answered."""

    sort: float = 0.0
    """The chance of a question that gives the reasoning and asks only for the ranking."""
    drill: float = 0.0
    """The chance of a question that trains look-ups only."""
    easy: float = 0.0
    """The chance of a short log, few candidates and a question without empty sections."""
    reflect: float = 0.0
    """The chance that a user is asked for a reflection only, and for no decision."""
    eager: bool = False
    """Whether the teacher also names attributes that were met only once."""

    @property
    def teacher(self) -> ReasonerPolicy:
        return EAGER if self.eager else TEACHER


@dataclass(frozen=True)
class Sample:
    """One question and the answer to be learned."""

    kind: str
    """`ranking`, `feed`, `reflect`, `repair` or `sort`."""
    messages: Messages
    answer: str
    tastes: Mapping[str, str] = field(default_factory=dict)
    """The polarities by taste in the question, also when the answer goes by habit; for hints."""
    given: str = ""
    """The beginning of the answer that is given and not learned, if there is one."""
    others: tuple[str, ...] = ()
    """More answers to the same question, each by weights of its own."""


class _GeneratedUser:
    """A user of a generated world: her tastes, her memory, and the items she has met."""

    def __init__(self, rng: Rng, teacher: ReasonerPolicy, easy: bool) -> None:
        self.rng, self.teacher, self.easy = rng, teacher, easy
        self.world = World(rng)
        self.tastes = self.world.tastes()
        self.mean = float(rng.normal(3.5, 0.4))
        self.items: list[Item] = []
        self.memory = Memory()
        kinds = ("seen", "rated", "together", "follows")
        self.signals = [name for name in kinds if rng.random() < 0.5]
        if rng.random() < 0.4:
            self.signals = []

    def meet(self, count: int) -> tuple[Experience, ...]:
        """Return `count` new experiences, and add their items to the catalogue."""
        met = []
        for _ in range(count):
            item = self.world.item()
            self.items.append(item)
            stars = self.world.stars(item, self.tastes, self.mean)
            met.append(Experience(len(self.items) - 1, stars, "world"))
        return tuple(met)

    def observe(self, task: str) -> Observation:
        """Return an observation with a slate of new items."""
        rng = self.rng
        most = 20 if task == "ranking" else 12
        size = most if rng.random() < 0.5 else int(rng.integers(2, most + 3))
        size = int(rng.integers(2, 5)) if self.easy else size
        first = len(self.items)
        self.items += [self.world.item() for _ in range(size)]
        slate = tuple(range(first, first + size))
        cards = tuple(card(self.items[place], self._shown_signals()) for place in slate)
        return Observation(BUILT_IN[task], slate, cards, page=int(rng.integers(1, 6)))

    def _shown_signals(self) -> dict[str, str]:
        rng, shown = self.rng, {}
        if "seen" in self.signals:
            shown["seen by"] = BAND_NAMES[rng.integers(len(BAND_NAMES))]
        if "rated" in self.signals and rng.random() < 0.8:
            shown["mean rating"] = f"{np.clip(rng.normal(3.4, 0.5), 1, 5):.1f}"
        liked = [self.items[e.item].title for e in self.memory.history if e.liked]
        if "together" in self.signals and liked and rng.random() < 0.5:
            count = min(int(rng.geometric(0.2)), MOST_TOGETHER)
            shown["liked together with"] = self._counted(count, liked)
        met = [self.items[e.item].title for e in self.memory.history[-COMPARED_LAST:]]
        if "follows" in self.signals and met and rng.random() < 0.4:
            count = min(int(rng.geometric(0.5)), len(met))
            shown["often follows"] = self._counted(count, met)
        return shown

    def _counted(self, count: int, titles: Sequence[str]) -> str:
        names = self.rng.permutation(titles)[: min(count, SHOWN_TOGETHER)].tolist()
        named = [quoted(name.replace(",", ";"), TITLE_LIMIT) for name in names]
        return together_value(count, named)

    def person(self) -> User:
        rng = self.rng
        if rng.random() < 0.3:
            return User("")
        age = int(np.clip(rng.gamma(6.0, 6.0), 14, 90))
        gender = "FM"[rng.integers(2)]
        return User("", {"age": str(age), "gender": gender, "occupation": occupation(age, rng)})


def sample(seed: int, number: int, course: Course = Course()) -> Iterator[Sample]:
    """Yield the samples of one user: at most a reflection and a decision.

    Args:
        seed: The seed of the corpus.
        number: The number of the user.
        course: The kinds of questions and their chances.
    """
    rng = np.random.default_rng([seed, number])
    if rng.random() < course.sort:
        yield _sorting(rng)
        return
    if rng.random() < course.drill:
        yield _drill(rng, course.teacher)
        return
    user = _GeneratedUser(rng, course.teacher, bool(rng.random() < course.easy))
    user.memory = Memory(user.meet(int(rng.integers(0, 4 if user.easy else 16))))
    for one in _asked_of(user, bool(rng.random() < course.reflect)):
        yield _bare(one) if user.easy else one


def _sorting(rng: Rng) -> Sample:
    """Return a question that asks for the ranking only. In half of them all balances differ.

    Where many balances are equal, alphabetical order is often right, and a model that has learned
    alphabetical order learns nothing better. In half of the questions balances are as small as
    attributes alone make them; in the others they are as large as together counts make them.
    """
    size = int(rng.integers(3, 23))
    highest = 7 if rng.random() < 0.5 else 15
    if rng.random() < 0.5:
        size = min(size, 12)
        balances = rng.permutation(np.arange(-7, highest + 1))[:size].tolist()
    else:
        drawn = rng.normal((highest - 7) / 2, highest / 3.5, size)
        balances = np.rint(drawn).astype(int).clip(-15, 20).tolist()
    # Only the balances matter for the ranking, so the lines contain nothing else.
    lines = [
        f"{label(place)}. nothing = {f'{balance:+d}' if balance else 0}"
        for place, balance in enumerate(balances)
    ]
    order = sorted(range(size), key=lambda place: -balances[place])
    ranking = " > ".join(label(place) for place in order)
    return Sample(
        "sort",
        (("user", f"Rank all {size} candidates."),),
        f"<ranking>{ranking}</ranking>",
        given="<think>\n" + "\n".join(lines) + "\n</think>\n",
    )


def _drill(rng: Rng, teacher: ReasonerPolicy) -> Sample:
    """Return a question that trains look-ups: a summary of polarities, and items to look up in it.

    Half of the drills are long lists of items with one attribute each, which also train ordering.
    """
    lists = rng.random() < 0.5
    world = World(rng, ["many"] if lists else ())
    size = rng.integers(6, 21) if lists else rng.integers(3, 9)
    items = [world.item() for _ in range(size)]
    shown = [replace(item, title=item.title.split()[0]) for item in items]
    others = [world.item() for _ in range(3)]
    values = {v: 0 for item in items + others for vs in item.attributes.values() for v in vs}
    summary = [
        f"{quoted(value)}: {'liked' if rng.random() < 0.5 else 'disliked'}"
        for value in rng.permutation(list(values)).tolist()
        if rng.random() < 0.6
    ]
    cards = tuple(card(item) for item in shown)
    observation = Observation(RANKING, tuple(range(len(items))), cards)
    asked = PROMPTS.decide(User(""), Memory(summary="\n".join(summary)), observation, cards)
    return _bare(_decided("ranking", asked, teacher, cards, rng))


def _asked_of(user: _GeneratedUser, reflects: bool) -> Iterator[Sample]:
    """Yield only a reflection if `reflects`; else a decision, sometimes after a reflection."""
    rng = user.rng
    most = 3 if user.easy else 6
    reflections = int(rng.integers(0, most)) if rng.random() < 0.75 else 0
    reflections = max(1, reflections) if reflects else reflections
    for turn in range(reflections):
        asked, met, shown = _reflection(user)
        reflected = _answered("reflect", asked, user.teacher)
        if turn == reflections - 1 and (reflects or rng.random() < 0.5):
            yield reflected
        summary = read_summary(reflected.answer, WORDS)[0] or ""
        if not shown:  # the experiences are old and no longer in the history
            user.memory = replace(user.memory, summary=summary)
        else:
            user.memory = user.memory.after_step(met, summary, 40)
    if reflects:
        return
    if rng.random() < 0.1:
        user.memory = replace(user.memory, summary=_in_other_words(user.memory.summary, rng))
    task = "ranking" if rng.random() < 0.75 else "feed"
    observation = user.observe(task)
    cards = [card(item) for item in user.items]
    asked = PROMPTS.decide(user.person(), user.memory, observation, cards)
    decided = _decided(task, asked, user.teacher, observation.cards, rng)
    if rng.random() < 0.03:
        again = _repair(asked, decided.answer, observation, rng)
        decided = replace(decided, kind="repair", messages=again, others=())
    yield decided


def _decided(
    kind: str, asked: Messages, teacher: ReasonerPolicy, cards: Sequence[str], rng: Rng
) -> Sample:
    """Answer a question about `cards`; the final teacher draws new weights for each answer."""
    prompt = read_prompt(asked)
    tastes = teacher.tastes(prompt)
    if teacher is not TEACHER:
        return Sample(kind, asked, teacher.answer(prompt), tastes)
    drawn = [TEACHER.model_copy(update=guess(rng, cards)) for _ in range(ANSWERS)]
    first, *others = (one.answer(prompt) for one in drawn)
    return Sample(kind, asked, first, tastes, others=tuple(others))


def _answered(kind: str, asked: Messages, teacher: ReasonerPolicy) -> Sample:
    prompt = read_prompt(asked)
    return Sample(kind, asked, teacher.answer(prompt), teacher.tastes(prompt))


def _bare(one: Sample) -> Sample:
    """Return the sample without the profile and the empty sections of its question."""
    text = one.messages[1][1]
    text = re.sub(r"<profile>.*?</profile>\n", "", text, flags=re.DOTALL)
    text = text.replace("<history>\nnothing yet\n</history>\n", "")
    text = text.replace("<preferences>\nnone yet\n</preferences>\n", "")
    return replace(one, messages=(("user", text), *one.messages[2:]))


def _reflection(user: _GeneratedUser) -> tuple[Messages, tuple[Experience, ...], bool]:
    rng = user.rng
    met = user.meet(int(rng.integers(1, 3 if user.easy else 5)))
    observation, decision, feedback = _prediction(user, met)
    cards = [card(item) for item in user.items]
    asked = PROMPTS.reflect(user.memory, observation, decision, feedback, cards)
    return asked, met, rng.random() < 0.7


def _prediction(
    user: _GeneratedUser, met: tuple[Experience, ...]
) -> tuple[Observation, Decision, Feedback]:
    """Return an observation, a decision and a feedback that fit these experiences."""
    rng, items = user.rng, [e.item for e in met]
    if rng.random() < 0.7:
        count = int(rng.integers(5, 21))
        slate = (items[-1], *range(1_000, 1_000 + count - 1))
        ranking = tuple(rng.permutation(slate).tolist())
        read = count if rng.random() < 0.9 else int(rng.integers(0, count))
        observation = Observation(RANKING, slate, ("",) * count)
        return observation, Decision(ranking, read), Feedback(met, target=items[-1])
    actions = tuple(
        Action(i, "watch", float(rng.integers(3, 6)) if rng.random() < 0.9 else None) for i in items
    )
    observation = Observation(FEED, tuple(items), ("",) * len(items))
    return observation, Decision(actions=actions), Feedback(met)


def _in_other_words(summary: str, rng: Rng) -> str:
    """Return the summary in another form: without counts, and sometimes on one line."""
    lines = [line.partition(" (")[0] for line in summary.splitlines() if ": " in line]
    return ("\n" if rng.random() < 0.5 else ", ").join(lines)


def _repair(asked: Messages, answer: str, observation: Observation, rng: Rng) -> Messages:
    """Return the messages of the repair call that follows a broken answer."""
    broken = answer[: int(rng.integers(1, len(answer)))]
    if rng.random() < 0.5:
        broken = answer.replace(" > B", " > A").replace("B: ", "A: ")
    _, findings = read_decision(broken, observation)
    return PROMPTS.repair(asked, broken, str(findings) or "it was cut short")


def samples(seed: int) -> Iterator[Sample]:
    """Yield samples without end."""
    for number in count():
        yield from sample(seed, number)
