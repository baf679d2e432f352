"""Mistakes in recommenders, datasets and rewards: each error names plug-in, method and line."""

import re

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from starec_sim import plugins
from starec_sim.dataset import Interactions
from starec_sim.errors import ContractError, StarecError
from starec_sim.learning.rewards import AnswerOutcome, Rewards
from starec_sim.tasks import FEED
from starec_sim.types import Decision, Feedback, Observation

RECOMMENDER = """
import numpy as np
from starec_sim import Settings
from starec_sim.recommender import Slates


class Mine:
    class Config(Settings):
        pass

    def __init__(self, config, *, n_users, n_items, seed):
        self.n_items = n_items

    def fit(self, log): pass
    def observe(self, events): pass
    def state(self): return {}
    def restore(self, state): pass

    def score(self, users, items):
        return np.where(items >= 0, 1.0, -np.inf)

    def recommend(self, users, k, seen, rng):
        return WHAT
"""
SCORES = "np.zeros((2, 3))"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("None", "returned None; it must return Slates"),
        (f"Slates(np.zeros((2, 2), int), {SCORES})", r"the items have the shape \(2, 2\); it must"),
        (f"Slates(np.ones((2, 3)), {SCORES})", "the items are an array of float64"),
        (
            f"Slates(np.array([[1, 2, 3], [4, 4, 5]]), {SCORES})",
            "the user in row 1 gets item 4 twice",
        ),
        (f"Slates(np.array([[0, 2, 3], [4, 3, 5]]), {SCORES})", "gets item 0, which she has seen"),
        (f"Slates(np.array([[1, 2, -1], [4, 3, 5]]), {SCORES})", "gets 2 items, and 3 could be"),
        (f"Slates(np.array([[1, 2, 99], [4, 3, 5]]), {SCORES})", "the items hold 99; there are 9"),
        ("Slates(np.array([[1, 2, 3], [4, 3, 5]]), np.full((2, 3), np.nan))", "no number"),
        ("np.random.rand(3)", "changed the state of the global generator numpy.random"),
    ],
    ids=["None", "shape", "floats", "duplicates", "seen", "too few", "outside", "NaN", "random"],
)
def test_what_a_recommender_does_wrong_is_named(tmp_path, what, said):
    (tmp_path / "mine.py").write_text(RECOMMENDER.replace("WHAT", what))
    plugin = plugins.configure("recommenders", {"use": f"{tmp_path / 'mine.py'}:Mine"}, "r")
    recommender = plugin.build(n_users=2, n_items=9, seed=0)
    seen = csr_matrix(np.eye(2, 9))
    with pytest.raises(StarecError, match=said) as raised:
        recommender.recommend(np.arange(2), 3, seen, np.random.default_rng(0))
    assert raised.value.message.startswith("recommender mine.py:Mine, recommend(2 users, k=3): ")
    assert re.search(r" \(mine.py:\d+\)$", raised.value.message)


def test_a_recommender_that_centres_the_ratings_of_the_log_in_place_is_named(tmp_path):
    text = RECOMMENDER.replace(
        "def fit(self, log): pass", "def fit(self, log): log.ratings[:] -= 3"
    )
    (tmp_path / "mine.py").write_text(text.replace("WHAT", "None"))
    plugin = plugins.configure("recommenders", {"use": f"{tmp_path / 'mine.py'}:Mine"}, "r")
    recommender = plugin.build(n_users=2, n_items=9, seed=0)
    rows = np.zeros(100, np.int64)
    log = Interactions(rows, rows, np.full(100, 4.0), rows)
    with pytest.raises(ContractError, match=r"fit\(a log of 100 events\): changed .*ratings"):
        recommender.fit(log)


def test_a_reward_that_changes_what_other_rewards_read_is_named(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def kind(outcome):\n    outcome.feedback.reward['sales'] = 9.0\n    return 1.0\n"
    )
    rewards = Rewards({f"{tmp_path / 'mine.py'}:kind": 1.0, "sales": 1.0})
    shown = Observation(FEED, (0,), ("Tea",))
    outcome = AnswerOutcome(
        "fast", "", True, shown, Decision(), Feedback((), reward={"sales": 2.0})
    )
    with pytest.raises(ContractError, match="changed what it was given") as raised:
        rewards.of(outcome, "user u1, round 1")
    assert raised.value.message.startswith("reward mine.py:kind, user u1, round 1: ")
    assert raised.value.hint.startswith("copy what you change")


def test_scores_that_cannot_be_compared_are_refused(tmp_path):
    text = RECOMMENDER.replace("np.where(items >= 0, 1.0, -np.inf)", "np.full(items.shape, np.nan)")
    (tmp_path / "mine.py").write_text(text.replace("WHAT", "None"))
    plugin = plugins.configure("recommenders", {"use": f"{tmp_path / 'mine.py'}:Mine"}, "r")
    recommender = plugin.build(n_users=2, n_items=9, seed=0)
    with pytest.raises(
        ContractError, match=r"score\(1 users, 2 items each\): item 4 got the score n"
    ):
        recommender.score(np.array([0]), np.array([[4, -1]]))


DATASET = """
import numpy as np
from starec_sim import Dataset, Item, Settings, User
from starec_sim.dataset import Interactions


class Mine:
    class Config(Settings):
        scale: float = 1.0

    def __init__(self, config):
        self.config = config

    def load(self):
        ratings, times = np.array([3.0, 4.0, 5.0]), np.arange(3)
        users, items = np.array([0, 1, 1]), np.array([0, 1, 2])
        ids = ("i0", "i1", "i2")
        CHANGE
        return Dataset(
            "mine",
            tuple(User(f"u{n}") for n in range(2)),
            tuple(Item(id, f"Item {id}") for id in ids),
            Interactions(users, items, ratings, times),
        )
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("return None", r"returned None; it must return a Dataset"),
        ("times = times[::-1]", r"the log is not sorted by time: log.times\[1\] is 1, after 2"),
        ("ratings = ratings * 20", r"log.ratings\[0\] is 60 \(3 of 3 are no stars from 0 to 5\)"),
        ("items = items + 1", r"log.items\[2\] is 3; there are 3 items, rows 0 to 2"),
        ("users = users[:2]", r"log.items has 3 entries and log.users 2"),
        ("users = users * 1.0", r"log.users is an array of float64"),
        ("ids = ('a', 'b', 'a')", r"items\[0\] and items\[2\] have the same id 'a'"),
        (r"ids = ('a', 'b\nc', 'd')", r"items\[1\] has the id 'b\\nc', .* a control character"),
        ("raise KeyError('file')", r"raised KeyError: 'file'"),
    ],
    ids=[
        "None",
        "unsorted",
        "times 20",
        "outside",
        "lengths",
        "floats",
        "same id",
        "line break",
        "raises",
    ],
)
def test_what_a_dataset_does_wrong_is_named(tmp_path, change, said):
    (tmp_path / "mine.py").write_text(DATASET.replace("CHANGE", change))
    plugin = plugins.configure("datasets", {"use": f"{tmp_path / 'mine.py'}:Mine"}, "data")
    with pytest.raises(StarecError) as raised:
        plugin.build().load()
    message = raised.value.message
    assert re.search(rf"^dataset mine.py:Mine, load\(\): {said}.* \(mine.py:\d+\)$", message), (
        message
    )


def test_describe_checks_what_a_reader_returns(tmp_path, starec):
    (tmp_path / "mine.py").write_text(DATASET.replace("CHANGE", "return None"))
    status, _, stderr = starec("data", "describe", f"{tmp_path / 'mine.py'}:Mine")
    assert status == 2
    assert "dataset mine.py:Mine, load(): returned None; it must return a Dataset" in stderr


def test_a_reward_that_raises_names_its_file_and_line(tmp_path):
    (tmp_path / "mine.py").write_text("\ndef tips(outcome):\n    return {}['tips']\n")
    rewards = Rewards({f"{tmp_path / 'mine.py'}:tips": 1.0})
    observation = Observation(FEED, (1,), ("one",))
    outcome = AnswerOutcome("fast", "", True, observation, Decision(), Feedback(()))
    said = r"reward mine.py:tips, user u3 in round 2: raised KeyError: 'tips' \(mine.py:3\)"
    with pytest.raises(StarecError, match=said):
        rewards.of(outcome, "user u3 in round 2")
