import shutil

import pytest
from starlette.testclient import TestClient

from starec_sim import runner
from starec_sim.experiment import Experiment
from starec_sim.interviews import Interview, InterviewAnswer, InterviewQuestion
from starec_sim.interviews.saved import save_interview
from starec_sim.learning.checkpoints import CheckpointStore, RoundRollouts
from starec_sim.learning.rows import Rollout, TokenRow
from starec_sim.runs.manifest import read_manifest, write_manifest
from starec_sim.viewer.app import Viewer

PORT = 7575
HOME = f"http://127.0.0.1:{PORT}"
LEXICAL = {"fast": {"use": "lexical"}, "slow": {"use": "lexical"}}
WORLD = {"use": "synthetic", "users": 12, "items": 80, "interactions": 20}


def play(folder, run=runner.run, **settings):
    settings = {"policies": LEXICAL, "data": WORLD, "seed": 3, **settings}
    return run(Experiment(runs_dir=folder, **settings)).folder


def rollout(number, reward):
    row = TokenRow((1, 2), (10 + number, 7), (True, True), (-0.5, -0.25))
    return Rollout("0/0/2/0/fast", "fast", (row,), reward, "v", 1.0, {"ndcg": reward}, {}, ())


def keep_interview(folder):
    """Keep the answers of two users to two questions beside a run."""
    happy, why = InterviewQuestion(ask="Happy?", yes_no=True), InterviewQuestion(ask="Why?", text=9)
    questions = (happy, why)
    values = [("u1", True, "the films"), ("u2", False, None)]
    answers = tuple(
        InterviewAnswer(
            arm="loop",
            seed=3,
            user=user,
            question=question.ask,
            type=question.type,
            value=value,
            problem="" if value is not None else "too many words",
            repaired=False,
            policy="chat",
            version="",
            messages=(("user", question.ask),),
            completions=("",),
            tokens=5,
            cost_usd=None,
        )
        for user, *said in values
        for question, value in zip(questions, said, strict=True)
    )
    profiles = {"u1": {"age": "20"}, "u2": {"age": "30"}}
    found = Interview("feed", "2026-01-02T03:04:05", 1, questions, profiles, answers, 0, "")
    assert save_interview(folder, found)


@pytest.fixture(scope="package")
def recorded(tmp_path_factory):
    """A folder with a feed of two arms, a ranking, and one with the rollouts of a training."""
    folder = tmp_path_factory.mktemp("runs")
    feed = play(
        folder,
        name="feed",
        rounds=2,
        environment={"use": "feed", "recommender": "popularity", "page_size": 4, "pages": 2},
        arms={"loop": {}, "random": {"environment.recommender": "random"}},
    )
    ranking = play(
        folder,
        name="ranking",
        rounds=2,
        environment={"use": "ranking", "choices": 2, "candidates": 5},
        agent={"use": "star", "gate": {"when": "always"}},
    )
    training = shutil.copytree(ranking, folder / "training-s3-1")
    manifest = read_manifest(training)
    manifest.kind = "training"
    write_manifest(training, manifest)
    rollouts = RoundRollouts([rollout(n, n / 2) for n in range(3)], {})
    CheckpointStore(training).save_rollouts(0, rollouts)
    for path, name in ((feed, "feed"), (ranking, "ranking"), (training, "training")):
        path.rename(folder / name)
    return folder


@pytest.fixture
def runs(recorded, tmp_path):
    """A copy of the folder, which a test may change."""
    return shutil.copytree(recorded, tmp_path / "runs")


def client_of(runs, **settings):
    viewer = Viewer(runs, port=PORT, **settings)
    return TestClient(viewer.app(), base_url=HOME, raise_server_exceptions=False)


@pytest.fixture
def client(recorded):
    return client_of(recorded)


@pytest.fixture
def own():
    """The headers that a page of the server sends with what it changes."""
    return {"Origin": HOME, "X-Starec": "1"}
