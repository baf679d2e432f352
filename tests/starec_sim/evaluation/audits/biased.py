"""Policies that each have one bias and no other thought, and some that have none.

They live in the world that `conftest.py` audits them in, and know of it what their bias needs.
"""

import functools
import random
import re
from typing import Any, ClassVar

import numpy as np
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from starec_environments.datasets.synthetic import Synthetic
from starec_sim.errors import PolicyError
from starec_sim.holdout import EvaluationProtocol, HoldOut

WORLD = {"users": 60, "items": 400, "interactions": 60, "noise": 0.0, "seed": 3}


@functools.cache
def world():
    return Synthetic(Synthetic.Config(**WORLD)).load()


@functools.cache
def fame():
    """Title to how often it was met."""
    counts = np.bincount(world().log.items, minlength=len(world().items))
    return {item.title: int(count) for item, count in zip(world().items, counts, strict=True)}


@functools.cache
def answers():
    """Titles of what people chose in their exams."""
    exam = HoldOut(EvaluationProtocol(draws=1), world(), 0)
    return {world().items[item].title for item in exam.answers.tolist()}


@functools.cache
def people():
    """Profile to row: enough to tell who is asked about."""
    return {tuple(user.profile.values()): row for row, user in enumerate(world().users)}


@functools.cache
def rows():
    return {item.title: row for row, item in enumerate(world().items)}


@functools.cache
def ratings(person):
    """What a person gives to each item."""
    return world().world.ratings(person, np.arange(len(world().items)), 0)


def candidates(asked):
    """(label, title) of what is shown."""
    section = re.search(r"<(candidates|page)[^>]*>\n(.*?)\n</", asked, re.DOTALL)
    return re.findall(r'^([A-Z]{1,3})\. "([^"]*)"', section[2], re.MULTILINE)


def person(asked):
    return people()[tuple(re.findall(r"^(?:age|gender|occupation): (.*)$", asked, re.MULTILINE))]


class Scripted(BaseChatModel):
    """Ranks by `key`, smallest first, and acts on pages by `act`."""

    seeded: bool = False

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def key(self, asked: str, place: int, title: str, rng: random.Random) -> Any:
        return place

    def act(self, asked: str, place: int, title: str) -> str:
        return "watch 4"

    def reflect(self, asked: str) -> str:
        return "nothing to say"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        asked = next(message.text for message in messages if message.type == "human")
        if "<prediction>" in asked:
            answer = f"<preferences>\n{self.reflect(asked)}\n</preferences>"
        else:
            shown = candidates(asked)
            if "<page" in asked:
                lines = [
                    f"{mark}: {self.act(asked, place, title)}"
                    for place, (mark, title) in enumerate(shown)
                ]
                answer = "<actions>\n" + "\n".join(lines) + "\n</actions>\n<next>stay</next>"
            else:
                rng = random.Random(f"{kwargs.get('seed')} {asked}")
                keys = [
                    self.key(asked, place, title, rng) for place, (_, title) in enumerate(shown)
                ]
                order = sorted(range(len(shown)), key=keys.__getitem__)
                answer = f"<ranking>{' > '.join(shown[place][0] for place in order)}</ranking>"
        return ChatResult(
            generations=[ChatGeneration(message=AIMessage(f"<think>\nwell\n</think>\n{answer}"))]
        )

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        return self._generate(messages, stop, None, **kwargs)


class Copier(Scripted):
    """Copies the order that is shown."""


class Backwards(Scripted):
    """Turns it around."""

    def key(self, asked, place, title, rng):
        return -place


class Famous(Scripted):
    """Ranks by fame."""

    def key(self, asked, place, title, rng):
        return -fame().get(title, 0)


class Insider(Scripted):
    """Knows what everybody likes, rates and takes accordingly, and hangs on nothing else."""

    def key(self, asked, place, title, rng):
        return -float(self.stars(asked, title))

    def act(self, asked, place, title):
        stars = round(self.stars(asked, title))
        return f"watch {stars}"

    def stars(self, asked, title):
        return ratings(person(asked))[rows()[title]]


class Picky(Insider):
    """The same, but takes only what it likes."""

    def act(self, asked, place, title):
        return super().act(asked, place, title) if self.stars(asked, title) >= 3.5 else "skip"


class Cheerful(Scripted):
    """Everything is five stars."""

    def act(self, asked, place, title):
        return "watch 5"


class Quota(Scripted):
    """Takes the first half of every page."""

    def act(self, asked, place, title):
        return "watch 4" if place < len(candidates(asked)) / 2 else "skip"


class Moody(Scripted):
    """PanelAnswers at random, anew for each seed."""

    seeded: bool = True

    def key(self, asked, place, title, rng):
        return rng.random()


class Wordy(Scripted):
    """Hangs on the wording: ranks one way for one prompt, and the other way for another."""

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self._sign = 1 if "You are the person" in messages[0].text else -1
        return super()._generate(messages, stop, run_manager, **kwargs)

    _sign: int = 1

    def key(self, asked, place, title, rng):
        return self._sign * place


class Everyman(Scripted):
    """Everybody gets the alphabet."""

    def key(self, asked, place, title, rng):
        return title


class Reciter(Scripted):
    """Recognises the answers by their titles."""

    def key(self, asked, place, title, rng):
        return title not in answers()


class TwoMinds(Scripted):
    """Contradicts itself in whatever it writes down."""

    def reflect(self, asked):
        return "Drama: liked\nDrama: disliked\nComedy: disliked\nComedy: liked"


class Derailed(Insider):
    """Knows everything, until it has reflected."""

    def key(self, asked, place, title, rng):
        lost = "lost my way" in asked
        return self.stars(asked, title) if lost else -self.stars(asked, title)

    def reflect(self, asked):
        return "I lost my way"


class Spoiler(Scripted):
    """Writes into its memory what will be chosen."""

    def reflect(self, asked):
        return "Next I shall choose " + ", ".join(sorted(answers()))


class Mumbler(Scripted):
    """Forgets the form."""

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("I like them all."))])


class Prudish(Scripted):
    """Refuses some questions, for what is in them."""

    problem: ClassVar[Exception] = PolicyError("content policy", cause="refused")

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        asked = messages[-1].text
        if "<candidates>" in asked and len(asked) % 3 == 0:
            raise self.problem
        if "<candidates>" not in asked:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("yes"))])
        return super()._generate(messages, stop, run_manager, **kwargs)


class Flaky(Prudish):
    """Has no answer to the same questions, and may have one later."""

    problem = ConnectionError("reset by the server")


class Broken(Scripted):
    """Never answers."""

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise PolicyError("out of order", cause="refused")
