from dataclasses import replace

import pytest

from starec_sim import runner
from starec_sim.experiment import Experiment
from starec_sim.runs.manifest import write_manifest
from starec_sim.runs.reader import reading
from tests.starec_sim.runs.conftest import a_manifest
from tests.starec_sim.runs.lives import Writing, visit

LEXICAL = {"fast": {"use": "lexical"}, "slow": {"use": "lexical"}}
WORLD = {"use": "synthetic", "users": 14, "items": 120, "interactions": 24}


def play(folder, **settings):
    experiment = Experiment(runs_dir=folder, policies=LEXICAL, data=WORLD, seed=3, **settings)
    return runner.run(experiment).folder


@pytest.fixture(scope="package")
def feed(tmp_path_factory):
    """A feed of two arms, whose users recall."""
    return play(
        tmp_path_factory.mktemp("feed"),
        name="feed",
        rounds=3,
        environment={"use": "feed", "recommender": "popularity", "page_size": 5, "pages": 2},
        agent={"use": "star", "history_shown": 3, "recall": {"use": "hashing", "top": 2}},
        arms={"loop": {}, "random": {"environment.recommender": "random"}},
    )


@pytest.fixture(scope="package")
def ranking(tmp_path_factory):
    return play(
        tmp_path_factory.mktemp("ranking"),
        name="ranking",
        rounds=3,
        environment={"use": "ranking", "choices": 3, "candidates": 6},
        agent={"use": "star", "gate": {"when": "always"}},
    )


@pytest.fixture
def reader(feed):
    with reading(feed) as opened:
        yield opened


@pytest.fixture
def write(tmp_path):
    """Write a run of two rounds and three users; `change` alters a visit before it is committed."""

    def write(
        name, change=lambda visit: visit, rounds=2, trials=(("main", 7),), numbers=None, **manifest
    ):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        arms = list(dict.fromkeys(arm for arm, _ in trials))
        write_manifest(folder, a_manifest(**{"arms": arms, **manifest}))
        for number, (arm, seed) in zip(numbers or range(len(trials)), trials, strict=True):
            writing = Writing(folder, trial=number, arm=arm, seed=seed)
            for round in range(rounds):
                writing.commit(round, [change(visit(user, round)) for user in range(3)])
            writing.close()
        return folder

    return write


@pytest.fixture
def changed():
    """Return a function that changes the step of one user in one round."""

    def changed(user, round, **parts):
        def change(visit):
            if (visit.user, visit.round) != (user, round):
                return visit
            (step,) = visit.steps
            return replace(visit, steps=(replace(step, **parts),))

        return change

    return changed
