import pytest

from starec_sim import runner
from starec_sim.experiment import Experiment
from starec_sim.runs.reader import reading

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
