"""A world of six items, and a chat model that says what it was told to say."""

import asyncio

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from starec_agents.star import StarAgent
from starec_sim.agent import Call
from starec_sim.cards import card
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.rng import Streams
from starec_sim.tasks import BUILT_IN
from starec_sim.types import Experience, Feedback, Item, Memory, Observation, User
from tests.turn_store import Turns

ITEMS = (
    Item("1", "Alien", {"genre": ("Horror", "Sci-Fi")}),
    Item("2", "Up", {"genre": ("Animation",)}),
    Item("3", "Heat", {"genre": ("Crime", "Drama")}),
    Item("4", "Cube", {"genre": ("Horror",)}),
    Item("5", "Her", {"genre": ("Drama", "Sci-Fi")}),
    Item("6", "Jaws", {"genre": ("Thriller",)}),
)
STARS = (5.0, 2.0, 4.0, 1.0, 3.0, 5.0)


class TinyWorld:
    """Shows the first four items on each page; in a ranking the third is what she chooses."""

    def __init__(self, task="ranking", pages=1):
        self.task, self.pages = BUILT_IN[task], pages
        self.users, self.items = [User("ann", {"age": "40"})], ITEMS
        self.cards = [card(item) for item in ITEMS]

    def observe(self, user, steps):
        slate = (0, 1, 2, 3)
        return Observation(
            self.task, slate, tuple(self.cards[item] for item in slate), len(steps) + 1
        )

    def respond(self, user, steps, observation, decision):
        watched = [action.item for action in decision.actions if action.done]
        target = 2 if self.task.ranks else None
        lived = watched if target is None else [target]
        over = "done" if len(steps) + 1 >= self.pages else ""
        return Feedback(
            tuple(Experience(item, STARS[item], "world") for item in lived),
            target=target,
            ending="left" if decision.leave else over,
        )


class Scripted(BaseChatModel):
    """Gives its answers in turn; the last one, once reached, stays. None fails to answer a task."""

    answers: list[str | None]
    _asked: list = PrivateAttr(default_factory=list)

    @property
    def asked(self):
        """What it was asked so far: for each call (role, text) pairs."""
        return [[(message.type, message.text) for message in call] for call in self._asked]

    @property
    def _llm_type(self):
        return "scripted"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        answer = self.answers[min(len(self._asked), len(self.answers) - 1)]
        self._asked.append(messages)
        if answer is None and len(messages) > 1:
            raise ValueError("no answer to that")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer or "ready"))])


@pytest.fixture(scope="session")
def tiny_world():
    return TinyWorld


@pytest.fixture(scope="session")
def scripted():
    return lambda *answers: Scripted(answers=list(answers))


@pytest.fixture(scope="session")
def call_of():
    def build(world, fast, slow, memory=None):
        """A call of user 0 in round 0."""
        policies = {"fast": Policy("quick", fast), "slow": Policy("careful", slow)}
        gateway = Gateway(policies, Streams(0), Turns())
        return Call(0, 0, world.users[0], memory or Memory(), world, gateway)

    return build


@pytest.fixture(scope="session")
def play(call_of):
    def visit(world, fast, slow, memory=None, **settings):
        """One visit of user 0 by an agent with these settings."""
        agent = StarAgent(StarAgent.Config(**settings))
        return asyncio.run(agent.visit(call_of(world, fast, slow, memory)))

    return visit
