"""Play a world by a function that decides."""

from starec_sim.boundary import CheckedEnvironment
from starec_sim.rng import Streams
from starec_sim.types import Action, Decision
from tests.rounds import play_visit


def build(world, seed=0, **settings):
    """Return a world whose calls are checked, as in a run."""
    config = world.Config(**settings)
    return CheckedEnvironment(world(config, None, Streams(seed)))


def play(world, decide, rounds, start=0):
    """Play some rounds; return the visits and the figures of each."""
    played = []
    for round in range(start, start + rounds):
        users = world.begin_round(round)
        visits = [play_visit(world, user, round, decide) for user in users]
        played.append((visits, world.end_round(visits)))
    return played


def do(kind, value=None, where=lambda user, item: True):
    """Return a function that does one thing with the items where it is wanted."""

    def decide(user, round, shown):
        return Decision(
            actions=tuple(
                Action(item, kind, value) if where(user, item) else Action(item)
                for item in shown.slate
            )
        )

    return decide


def lived(visits):
    """Return all experiences as (user, experience)."""
    return [
        (visit.user, each)
        for visit in visits
        for step in visit.steps
        for each in step.feedback.experiences
    ]
