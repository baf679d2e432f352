"""One class or function for each fault of recommenders, agents, policies, datasets and rewards."""

import os
import random

import numpy as np
from pydantic import PrivateAttr

from starec_sim import Dataset, Item, Settings, User
from starec_sim.answers import labelled, read_decision
from starec_sim.dataset import Interactions
from starec_sim.policies.text_policy import TextPolicy
from starec_sim.recommender import Slates
from starec_sim.types import Decision, Memory, Step, Verdict, Visit


class SoundRecommender:
    """The most popular items, with the score as their number."""

    class Config(Settings):
        pass

    def __init__(self, config, *, n_users, n_items, seed):
        self.n_items = n_items
        self.counts = np.zeros(n_items)

    def fit(self, log):
        self.counts = np.zeros(self.n_items)
        self.observe(log)

    def observe(self, events):
        np.add.at(self.counts, events.items, 1.0)

    def recommend(self, users, k, seen, rng):
        scores = np.tile(self.counts, (len(users), 1))
        scores[seen[users].toarray() != 0] = -np.inf
        scores = np.pad(scores, ((0, 0), (0, k)), constant_values=-np.inf)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(scores, order, axis=1)
        return Slates(np.where(np.isneginf(best), -1, order), best)

    def score(self, users, items):
        return np.where(items >= 0, self.counts[items], -np.inf)

    def state(self):
        return {"counts": self.counts.copy()}

    def restore(self, state):
        self.counts = state["counts"].copy()


class RecommendsWhatWasSeen(SoundRecommender):
    def recommend(self, users, k, seen, rng):
        return super().recommend(users, k, seen * 0, rng)


class DividesByZero(SoundRecommender):
    def recommend(self, users, k, seen, rng):
        items, scores = super().recommend(users, k, seen, rng)
        return Slates(items, np.where(items >= 0, np.inf, scores))


class FitAddsUp(SoundRecommender):
    def fit(self, log):
        self.observe(log)


class RecommendLearns(SoundRecommender):
    def recommend(self, users, k, seen, rng):
        slates = super().recommend(users, k, seen, rng)
        self.counts[slates.items[slates.items >= 0]] += 1
        return slates


class ScoresByWhoElseIsAsked(SoundRecommender):
    def score(self, users, items):
        return super().score(users, items) / len(users)


class FailsWithoutEvents(SoundRecommender):
    def fit(self, log):
        super().fit(log)
        self.greatest = log.times.max()


class ForgetsTheCounts(SoundRecommender):
    def state(self):
        return {}

    def restore(self, state):
        pass


class SortsTheLog(SoundRecommender):
    def observe(self, events):
        events.items.sort()
        super().observe(events)


class DrawsGlobally(SoundRecommender):
    def recommend(self, users, k, seen, rng):
        random.random()
        return super().recommend(users, k, seen, rng)


class SoundAgent:
    """Asks once for each page."""

    class Config(Settings):
        pass

    def __init__(self, config):
        self.history_limit = 5

    def prompts(self):
        return {}

    def text(self, call):
        return "Choose."

    def memory(self, memory, feedback):
        return memory.after_step(feedback.experiences, "", self.history_limit)

    def decide(self, text, shown):
        return read_decision(text, shown)[0]

    async def visit(self, call):
        steps, memory = (), call.memory
        while not steps or not steps[-1].feedback.ending:
            shown = call.environment.observe(call.user, steps)
            tag = "candidates" if shown.task.ranks else "page"
            question = f"{self.text(call)}\n<{tag}>\n{labelled(shown.cards)}\n</{tag}>"
            asked = (("system", "You choose."), ("user", question))
            turn = await call.policies.ask(call.key(len(steps), "fast"), asked)
            decision = self.decide(turn.completion, shown)
            feedback = call.environment.respond(call.user, steps, shown, decision)
            memory = self.memory(memory, feedback)
            step = Step(shown, decision, feedback, Verdict(False, ""), (turn,), memory)
            steps += (step,)
        return Visit(call.user, call.round, steps)


class KeepsItsVisits(SoundAgent):
    def text(self, call):
        seen.append(np.zeros(2**21))
        return "Choose."


class CountsItsVisits(SoundAgent):
    visits = 0

    def text(self, call):
        self.visits += 1
        return f"This is visit {self.visits}."


class RemembersTooMuch(SoundAgent):
    def memory(self, memory, feedback):
        return memory.after_step(feedback.experiences, "", 100)


class ForgetsToCountSteps(SoundAgent):
    def memory(self, memory, feedback):
        return Memory(memory.history, "")


class InventsADecision(SoundAgent):
    def decide(self, text, shown):
        return Decision(ranking=shown.slate, read=len(shown.slate))


class AgentPrints(SoundAgent):
    def text(self, call):
        print(call.person.id)
        return "Choose."


class AsksAnotherNode(SoundAgent):
    async def visit(self, call):
        call.key(0, "quick")


class SoundPolicy(TextPolicy):
    """The shown order, and a fixed text."""

    @property
    def _llm_type(self):
        return "sound"

    def answer(self, prompt):
        if prompt.asks == "reflection":
            return "<preferences>\neverything\n</preferences>"
        labels = [label for label, _ in prompt.candidates]
        if prompt.asks == "ranking":
            return f"<ranking>{' > '.join(labels)}</ranking>"
        lines = "\n".join(f"{label}: skip" for label in labels)
        return f"<actions>\n{lines}\n</actions>\n<next>leave</next>"


class KeepsItsAnswers(SoundPolicy):
    _kept: list = PrivateAttr(default_factory=list)

    def answer(self, prompt):
        self._kept.append(np.zeros(2**21))
        return super().answer(prompt)


class NobodyCanRead(SoundPolicy):
    def answer(self, prompt):
        return "As a language model, I like all of them."


class SeesInPlaceOfWatching(SoundPolicy):
    def answer(self, prompt):
        return super().answer(prompt).replace(": skip", ": see 4")


class PlaysRankingsOnly(SoundPolicy):
    """Sound: it says so by answers without a word."""

    def answer(self, prompt):
        return super().answer(prompt) if prompt.asks == "ranking" else "-"


class SaysOnlyDashes(SoundPolicy):
    def answer(self, prompt):
        return "-"


class SaysNothing(SoundPolicy):
    def answer(self, prompt):
        return ""


class TossesACoin(SoundPolicy):
    def answer(self, prompt):
        return f"{super().answer(prompt)}{os.urandom(4).hex()}"


class SoundDataset:
    class Config(Settings):
        pass

    def __init__(self, config):
        pass

    def order(self, count):
        return np.arange(count)

    def world(self):
        return None

    def load(self):
        order = self.order(6)
        return Dataset(
            "sound",
            tuple(User(f"u{n}") for n in range(2)),
            tuple(Item(f"i{n}", f"Item {n}") for n in range(6)),
            Interactions(order % 2, order, np.full(6, 4.0), np.arange(6)),
            world=self.world(),
        )


class LoadsInAnyOrder(SoundDataset):
    def order(self, count):
        return np.random.default_rng().permutation(count)


class Guesses:
    source = "world"

    def ratings(self, user, items, round):
        return np.random.default_rng().uniform(1, 5, len(items))


class RatesByChance(SoundDataset):
    def world(self):
        return Guesses()


def sound_reward(outcome):
    return float(outcome.clean)


def reward_without_feedback(outcome):
    return float(len(outcome.feedback.experiences))


def reward_that_is_none(outcome):
    return None


def reward_for_all(outcome):
    return 1.0


seen = []


def reward_that_counts(outcome):
    seen.append(outcome)
    return float(len(seen))


def reward_that_keeps_outcomes(outcome):
    seen.append(np.zeros(2**20))
    return float(outcome.clean)


def reward_by_hash(outcome):
    return float(hash("stars") % 1_000_003)
