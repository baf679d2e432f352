"""A coffee shop in one file, as a plug-in author writes it, and ways to break it."""

import textwrap

from starec_sim import plugins
from starec_sim.rng import Streams
from starec_sim.types import Action, Decision
from tests.rounds import ScriptedAgent, play_rounds, simulate

SHOP = """
import random

import numpy as np

from starec_sim import Experience, Feedback, Item, Observation, Settings, User, card


class Shop:
    class Config(Settings):
        shown: int = 3

    def __init__(self, config, dataset, streams):
        self.config, self.streams = config, streams
        self.users = [User(f"u{n}") for n in range(4)]
        self.items = [Item(f"i{n}", f"Coffee {n}", {"kind": (f"k{n % 2}",)}) for n in range(9)]
        self.cards = [card(item) for item in self.items]
        self.popularity = np.ones(9)
        self.sold = np.zeros(9)

    def describe(self):
        return {"guests": np.int64(4)}

    def history(self, user):
        return ()

    def begin_round(self, round):
        self.round = round
        return range(4)

    def slate(self, user):
        rng = self.streams.stream("shop", user=user, round=self.round)
        return tuple(rng.choice(9, self.config.shown, replace=False).tolist())

    def observe(self, user, steps):
        slate = self.slate(user)
        return Observation("feed", slate, tuple(self.cards[item] for item in slate))

    def rating(self, item):
        return 4.0 if self.sold[item] < 3 else 2.0

    def respond(self, user, steps, observation, decision):
        drunk = [action.item for action in decision.actions if action.watched]
        lived = tuple(Experience(item, self.rating(item), "world") for item in drunk)
        return Feedback(lived, reward={"sales": float(len(lived))}, ending="done")

    def end_round(self, visits):
        for visit in visits:
            for step in visit.steps:
                for experience in step.feedback.experiences:
                    self.sold[experience.item] += 1
        return {"sold": float(self.sold.sum())}

    def state(self):
        return {"sold": self.sold.copy()}

    def restore(self, state):
        self.sold = np.array(state["sold"])
"""


def write_shop(folder, body="pass", name="shop.py"):
    """Write the shop, and a class `Broken` that differs from it; return the reference."""
    methods = textwrap.indent(textwrap.dedent(body), "    ")
    (folder / name).write_text(f"{SHOP}\n\nclass Broken(Shop):\n{methods}\n")
    return f"{folder / name}:Broken"


def build_shop(folder, body="pass"):
    """Build the shop as an experiment does."""
    spec = {"use": write_shop(folder, body)}
    return plugins.configure("environments", spec, "environment").build(None, Streams(0))


def drink(user, round, observation):
    """Drink the first coffee, leave the others."""
    return Decision(
        actions=tuple(Action(item, place == 0) for place, item in enumerate(observation.slate))
    )


def play_shop(folder, body="pass", *, rounds=3, agent=None, **options):
    """Build the shop and play some rounds in memory; return the visits of each."""
    shop = build_shop(folder, body)
    return play_rounds(simulate(shop, agent or ScriptedAgent(drink), **options), rounds)
