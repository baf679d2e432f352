"""Rounds for tests: the real simulation, with an agent without a model and a record in memory."""

import asyncio

from starec_sim.runs.trial_state import TrialState
from starec_sim.simulation import Simulation, VisitRules
from starec_sim.types import Memory, Step, Verdict, Visit


def play_visit(environment, user, round, decide):
    """Play one visit to its end; `decide` returns a decision for (user, round, observation)."""
    steps = ()
    while True:
        shown = environment.observe(user, steps)
        decision = decide(user, round, shown)
        feedback = environment.respond(user, steps, shown, decision)
        steps = (*steps, Step(shown, decision, feedback, Verdict(False, ""), (), Memory()))
        if feedback.ending:
            return Visit(user, round, steps)


class ScriptedAgent:
    """An agent that decides by a function."""

    history_limit = 40

    def __init__(self, decide):
        self.decide = decide

    def prompts(self):
        return {}

    async def visit(self, call):
        return play_visit(call.environment, call.user, call.round, self.decide)


class MemoryRecord:
    """A recorder that keeps what it is given, in order."""

    keeps_facts = True

    def __init__(self):
        self.log = []
        """("taken", user), ("flushed",), ("committed", round, users, metrics, state)."""

    def take(self, visit):
        self.log.append(("taken", visit.user))
        return visit

    def flush(self):
        self.log.append(("flushed",))

    def commit_round(self, round, visits, measured, state, digest, facts=(), items=()):
        users = [visit.user for visit in visits]
        self.log.append(("committed", round, users, dict(measured.round), dict(state)))
        return f"{digest}/{round}"


def simulate(environment, agent, policies=None, *, first_round=0, record=None, **options):
    """Return a simulation that writes nothing to disk."""
    state = TrialState(first_round, "", {}, {}, None)
    record = record or MemoryRecord()
    return Simulation(
        agent, environment, policies, record, state, visit_rules=VisitRules(1), **options
    )


def play_rounds(simulation, rounds, played=lambda round: None):
    """Play and commit so many rounds; return the visits of each.

    Args:
        simulation: From `simulate`.
        rounds: How many.
        played: Called with each `PlayedRound` before it is committed.
    """

    async def play():
        visits = []
        for _ in range(rounds):
            round = await simulation.play_round()
            played(round)
            simulation.commit(round)
            visits.append(round.visits)
        return visits

    return asyncio.run(play())
