"""Visits of three users, written by hand, and a writer of their record."""

from types import SimpleNamespace

import numpy as np

from starec_sim.measure import RoundMetrics
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.store import Store
from starec_sim.tasks import FEED
from starec_sim.types import (
    Action,
    CallKey,
    Decision,
    Experience,
    Feedback,
    Item,
    Memory,
    Observation,
    Step,
    Tokens,
    Turn,
    User,
    Verdict,
    Visit,
)

WORLD = SimpleNamespace(
    users=[User(f"u{n}", {"age": str(20 + n)}) for n in range(3)],
    items=[Item(f"i{n}", f"Title {n}", {"genre": ("War", "Drama")}) for n in range(6)],
    describe=lambda: {"users": 3, "truth": "world"},
    history=lambda user: (),
    popularity=[1, 1, 1, 1, 1, 1],
)


def turn(text="<think>hm</think>", node="fast", attempt=0, error=""):
    messages = (("system", "You are a person."), ("user", f"What now? {text}"))
    return Turn(node, attempt, "lexical", messages, text, 12, 3, 0.5, error)


def tokens(
    prompt=(1, 200, 70_000), completion=(5, 151_643), logprobs=(-0.5, -(2.0**-20)), **changed
):
    """Return tokens of a turn, with log-probabilities in single precision, as engines give them."""
    told = {"version": "tiny@1", "sampling": {"temperature": 0.7, "seed": 3}, "group": "g"}
    return Tokens(prompt, completion, logprobs, **{**told, **changed})


def visit(user, round, turns=None, notes=None):
    """Return a visit of one page: the first item is watched, the second skipped."""
    step = Step(
        Observation(FEED, (user, user + 1), ("card", "card")),
        Decision(actions=(Action(user, "watch", 4.0), Action(user + 1, "skip")), leave=True),
        Feedback((Experience(user, 5.0, "world"),), reward={"engagement": 0.5}, ending="left"),
        Verdict(False, "as expected"),
        turns if turns is not None else (turn(f"answer {user} {round}"),),
        Memory((Experience(user, 5.0, "world"),), f"War: liked, round {round}", round + 1),
        notes or {},
    )
    return Visit(user, round, (step,))


class Writing:
    """Writes one trial as a run does."""

    def __init__(self, folder, trial=0, arm="main", seed=7, level="everything"):
        self.store = Store(folder, ["You are a person."], level)
        self.recorder = Recorder(self.store, trial)
        self.point = self.recorder.open(arm, seed, WORLD)
        self.digest = self.point.digest
        self.closed = False

    def answer(self, visit):
        for number, step in enumerate(visit.steps):
            for turn in step.turns:
                key = CallKey(visit.round, visit.user, number, turn.node, turn.attempt)
                self.recorder.add(key, turn)

    def commit(self, round, visits, **figures):
        for visit in visits:
            self.answer(visit)
        taken = [self.recorder.take(visit) for visit in visits]
        by_visit = {"slow": np.zeros(len(visits)), **figures}
        of_round = {name: float(np.nanmean(values)) for name, values in by_visit.items()}
        measured = RoundMetrics(by_visit, {**of_round, "coverage": 0.5, "nothing": float("nan")})
        world = {"mood": np.arange(3) * (round + 1.0)}
        self.digest = self.recorder.commit_round(round, taken, measured, world, self.digest)
        return self.digest

    def close(self):
        if not self.closed:
            self.store.close()
        self.closed = True
