import builtins
import copy
import functools
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from starec_environments.recommenders.sequences import (
    NOTHING,
    GRU4Rec,
    SASRec,
    _in_order,
    _last,
    _pieces,
)
from starec_environments.recommenders.simple import Popularity
from starec_sim.dataset import Interactions
from starec_sim.errors import ConfigError, PluginError
from starec_sim.settings import validate

torch = pytest.importorskip("torch", reason="torch is not installed")

NETWORKS = [GRU4Rec, SASRec]
SMALL = {"dimensions": 16, "length": 12, "epochs": 1, "updates": 90, "learning_rate": 0.02}
N_USERS, N_ITEMS = 120, 30
"""Of the log; one more user is a stranger to it."""


def likes(users, items, times=None) -> Interactions:
    users, items = np.array(users, np.int64), np.array(items, np.int64)
    when = np.arange(len(users)) if times is None else np.array(times)
    return Interactions(users, items, np.full(len(users), 5.0), when)


@pytest.fixture(scope="module")
def walks():
    """Who liked item i likes i + 1 or i + 2 next, in a circle: nothing but order tells the next.

    Returns the log of 14 steps a user, and the item that came next.
    """
    rng = np.random.default_rng(5)
    strides = rng.integers(1, 3, size=(N_USERS, 15))
    path = (rng.integers(N_ITEMS, size=(N_USERS, 1)) + strides.cumsum(axis=1)) % N_ITEMS
    users = np.repeat(np.arange(N_USERS), 14)
    return likes(users, path[:, :14].ravel()), path[:, 14]


def build(found, n_users=N_USERS + 1, n_items=N_ITEMS, seed=3, **settings):
    config = found.Config(**{**SMALL, **settings})
    return found(config, n_users=n_users, n_items=n_items, seed=seed)


@pytest.fixture(scope="module")
def fitted_once(walks):
    """Return a recommender that has learned the walks; it is fitted once and copied."""

    @functools.cache
    def fit(found):
        recommender = build(found)
        recommender.fit(walks[0])
        return recommender

    return lambda found: copy.deepcopy(fit(found))


def ndcg(recommender, answers) -> float:
    """NDCG of the answer among the whole catalogue."""
    everything = np.tile(np.arange(N_ITEMS), (N_USERS, 1))
    scores = recommender.score(np.arange(N_USERS), everything)
    rank = 1 + (scores > scores[np.arange(N_USERS), answers][:, None]).sum(axis=1)
    return float((1 / np.log2(rank + 1)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("found", NETWORKS)
def test_it_learns_the_order_of_a_world_where_popularity_knows_nothing(
    found, walks, fitted_once
) -> None:
    log, answers = walks
    popularity = Popularity(Popularity.Config(), n_users=N_USERS, n_items=N_ITEMS, seed=0)
    popularity.fit(log)
    # The best that can be known is a coin between two items: (1 + 0.63) / 2.
    assert ndcg(fitted_once(found), answers) > 0.7
    assert ndcg(popularity, answers) < 0.4


@pytest.mark.slow
def test_it_learns_from_a_sample_of_negatives_as_well(walks) -> None:
    log, answers = walks
    recommender = build(GRU4Rec, negatives=10)  # the loss is the same code for both networks
    recommender.fit(log)
    assert ndcg(recommender, answers) > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("found", NETWORKS)
def test_a_new_like_moves_a_user_on_without_a_fit(found, walks, fitted_once) -> None:
    _, answers = walks
    recommender = fitted_once(found)
    before = recommender.state()
    recommender.observe(likes(np.arange(N_USERS), answers, np.full(N_USERS, 99)))
    after = recommender.score(np.arange(N_USERS), np.stack([answers, (answers + 1) % 30], axis=1))
    assert (after[:, 1] > after[:, 0]).mean() > 0.95
    assert (before["sequences"] != recommender.state()["sequences"]).any()


@pytest.mark.parametrize("found", NETWORKS)
def test_who_was_a_stranger_is_one_no_more_after_her_first_like(found, fitted_once) -> None:
    recommender = fitted_once(found)
    stranger = np.array([N_USERS])
    recommender.observe(likes(stranger, [7]))
    none_seen = csr_matrix((N_USERS + 1, N_ITEMS))
    slate = recommender.recommend(stranger, 2, none_seen, np.random.default_rng(0)).items
    assert set(slate[0].tolist()) == {8, 9}


@pytest.mark.parametrize("found", NETWORKS)
def test_what_follows_a_place_does_not_change_its_vector(found) -> None:
    network = build(found)._network().eval()
    with torch.no_grad():
        long, short = (network(torch.tensor([items])) for items in ([3, 1, 4, 1, 5], [3, 1, 4]))
    torch.testing.assert_close(long[:, :3], short)


@pytest.mark.parametrize("found", NETWORKS)
def test_a_fit_leaves_torchs_threads_and_random_numbers_as_they_were(found, walks) -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    build(found, updates=2).fit(walks[0])
    assert torch.get_num_threads() == threads
    assert (torch.rand(3) == wanted).all()


@pytest.mark.parametrize("found", NETWORKS)
def test_where_nobody_liked_two_things_there_is_no_order_and_popularity_is_shown(found) -> None:
    recommender = build(found, n_users=3, n_items=4)
    recommender.fit(likes([0, 1, 2], [2, 2, 3]))
    assert recommender.score(np.array([0]), np.arange(4)[None]).tolist() == [[0, 0, 2, 1]]


def test_heads_must_share_the_dimensions() -> None:
    with pytest.raises(ConfigError, match=r"dimensions \(64\) must be a multiple of heads \(3\)"):
        validate(SASRec.Config, {"heads": 3}, "recommender")


def test_without_torch_the_extra_is_named_and_nothing_else_breaks(monkeypatch, walks) -> None:
    real = builtins.__import__

    def no_torch(name, *args, **kwargs):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "starec_environments.recommenders.networks", raising=False)
    monkeypatch.delattr("starec_environments.recommenders.networks", raising=False)
    monkeypatch.setattr(builtins, "__import__", no_torch)
    recommender = build(GRU4Rec)
    with pytest.raises(PluginError, match="need torch") as caught:
        recommender.fit(walks[0])
    assert caught.value.hint == "pip install torch"


# --- the log in pieces ----------------------------------------------------------------------------


def test_likes_stand_in_the_order_of_time_and_those_of_one_time_in_that_of_the_log() -> None:
    log = Interactions(
        users=np.array([1, 0, 1, 1, 0]),
        items=np.array([5, 6, 7, 8, 9]),
        ratings=np.array([5.0, 4.0, np.nan, 2.0, 5.0]),
        times=np.array([3, 1, 3, 2, 0]),
    )
    ordered = _in_order(log)
    assert ordered.users.tolist() == [0, 0, 1, 1]
    assert ordered.items.tolist() == [9, 6, 5, 7]


logs = st.lists(st.lists(st.integers(0, 99), max_size=12), min_size=1, max_size=6)


def flat(lists):
    users = [user for user, items in enumerate(lists) for _ in items]
    return _in_order(likes(users, [item for items in lists for item in items]))


@given(logs, st.integers(1, 5))
def test_a_sequence_is_what_a_user_liked_last(lists, length) -> None:
    for row, items in zip(_last(flat(lists), len(lists), length), lists, strict=True):
        kept = items[-length:]
        assert row.tolist() == kept + [NOTHING] * (length - len(kept))


@given(logs, st.integers(1, 5))
def test_each_like_but_a_users_first_is_predicted_once_from_the_one_before(lists, length) -> None:
    predicted = []
    for piece in _pieces(flat(lists), length):
        real = piece[piece != NOTHING].tolist()
        assert 2 <= len(real) <= length + 1
        assert piece.tolist() == real + [NOTHING] * (length + 1 - len(real))
        predicted += pairwise(real)
    wanted = [pair for items in lists for pair in pairwise(items)]
    assert sorted(predicted) == sorted(wanted)
