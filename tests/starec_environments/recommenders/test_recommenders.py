"""What holds for every recommender that ships."""

import functools
import io
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from starec_sim.dataset import Interactions
from starec_sim.errors import ContractError
from starec_sim.plugins import load

SEQUENTIAL = ["gru4rec", "sasrec"] if find_spec("torch") else []
ALL = ["als", "bpr", "ease", "item-knn", "popularity", "random", *SEQUENTIAL]
LEARNING = [name for name in ALL if name != "random"]
PERSONAL = [name for name in LEARNING if name != "popularity"]
N_USERS, N_ITEMS = 60, 40
EVERYBODY = np.arange(N_USERS)
STRANGERS = np.arange(N_USERS - 5, N_USERS)
NOTHING_SEEN = csr_matrix((N_USERS, N_ITEMS))


def quickly(name, updates=5):
    """What ships, but for networks, which are made to be quick here."""
    if name not in SEQUENTIAL:
        return {}
    return {"dimensions": 8, "epochs": 1, "updates": updates, "learning_rate": 0.05}


def build(name, seed=7, **quick):
    found = load("recommenders", name)
    config = found.Config(**quickly(name, **quick))
    return found(config, n_users=N_USERS, n_items=N_ITEMS, seed=seed)


def fitted(name, log, seed=7, **quick):
    recommender = build(name, seed, **quick)
    recommender.fit(log)
    return recommender


@pytest.fixture(scope="module")
def known(log):
    """Return a recommender that has learned the tastes in the log, once; tests only ask it."""
    return functools.cache(lambda name: fitted(name, log, updates=40))


def ask(recommender, users=EVERYBODY, k=10, seen=NOTHING_SEEN):
    return recommender.recommend(users, k, seen, np.random.default_rng(1))


def assert_same(a, b) -> None:
    np.testing.assert_array_equal(a.items, b.items)
    np.testing.assert_array_equal(a.scores, b.scores)


def through_a_file(state):
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return dict(np.load(file, allow_pickle=False))


@pytest.mark.parametrize("name", ALL)
def test_it_shows_k_different_unseen_items_best_first(name, known, seen) -> None:
    slates = ask(known(name), k=10, seen=seen)
    assert slates.items.shape == slates.scores.shape == (N_USERS, 10)
    assert slates.items.dtype == np.int64 and slates.scores.dtype == np.float64
    assert seen.toarray()[EVERYBODY[:, None], slates.items].sum() == 0
    for items, scores in zip(slates.items, slates.scores, strict=True):
        assert len(set(items)) == 10
        assert all(a >= b for a, b in pairwise(scores))


@pytest.mark.parametrize("name", ALL)
def test_it_pads_when_the_catalogue_runs_out(name, known) -> None:
    all_but_two = csr_matrix(np.tile(np.arange(N_ITEMS) > 1, (N_USERS, 1)))
    slates = ask(known(name), k=5, seen=all_but_two)
    assert (np.sort(slates.items, axis=1) == [-1, -1, -1, 0, 1]).all()
    assert np.isneginf(slates.scores[:, 2:]).all() and np.isfinite(slates.scores[:, :2]).all()


@pytest.mark.parametrize("name", ALL)
def test_it_can_be_asked_for_more_than_there_is(name, known) -> None:
    slates = ask(known(name), k=N_ITEMS + 3)
    assert (slates.items[:, -3:] == -1).all()
    assert (np.sort(slates.items[:, :-3], axis=1) == np.arange(N_ITEMS)).all()


@pytest.mark.parametrize("name", ALL)
def test_nobody_can_ask(name, known) -> None:
    assert ask(known(name), users=EVERYBODY[:0], k=4).items.shape == (0, 4)


@pytest.mark.parametrize("name", [name for name in ALL if name != "random"])
def test_scores_of_given_items_are_those_it_recommends_by(name, known) -> None:
    recommender = known(name)
    slates = ask(recommender, k=N_ITEMS)
    np.testing.assert_array_equal(recommender.score(EVERYBODY, slates.items), slates.scores)


@pytest.mark.parametrize("name", ALL)
def test_a_list_may_be_shorter_than_the_others(name, known) -> None:
    recommender = known(name)
    lists = np.array([[3, 39, -1], [-1, -1, -1]])
    scores = recommender.score(np.array([4, 59]), lists)
    assert scores.dtype == np.float64
    assert np.isneginf(scores).tolist() == (lists < 0).tolist()
    assert np.isfinite(scores[lists >= 0]).all()


@pytest.mark.parametrize("name", ALL)
def test_a_score_does_not_depend_on_what_else_is_asked(name, known) -> None:
    recommender = known(name)
    everything = recommender.score(EVERYBODY, np.tile(np.arange(N_ITEMS), (N_USERS, 1)))
    for user, item in [(0, 0), (17, 3), (N_USERS - 1, 39)]:
        alone = recommender.score(np.array([user]), np.array([[item]]))
        assert alone.tolist() == [[everything[user, item]]]
    assert recommender.score(EVERYBODY[:0], np.zeros((0, 20), np.int64)).shape == (0, 20)


@pytest.mark.parametrize("name", ALL)
def test_lists_that_are_not_one_a_user_are_refused(name, known) -> None:
    for lists in (np.zeros(2, np.int64), np.zeros((3, 5), np.int64)):
        with pytest.raises(ContractError, match=r"2 users and items of shape \("):
            known(name).score(np.array([0, 1]), lists)


def test_scores_of_the_random_recommender_come_from_its_seed(log) -> None:
    lists = np.tile(np.arange(N_ITEMS), (N_USERS, 1))
    one, again, other = (fitted("random", log, seed).score(EVERYBODY, lists) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()
    assert len(np.unique(one)) == one.size


@pytest.mark.parametrize("name", PERSONAL)
def test_it_finds_a_planted_taste(name, known, seen) -> None:
    first = ask(known(name), users=EVERYBODY[:-5], k=3, seen=seen).items
    assert (first % 2 == EVERYBODY[:-5, None] % 2).mean() > 0.9


@pytest.mark.parametrize("name", LEARNING)
def test_strangers_are_shown_what_most_users_like(name, known, log) -> None:
    likes = [len(set(log.users[(log.items == i) & (log.ratings > 3)])) for i in range(N_ITEMS)]
    popular = sorted(range(N_ITEMS), key=lambda item: (-likes[item], item))
    assert (ask(known(name), users=STRANGERS).items == popular[:10]).all()


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("history", ["never fitted", "empty log", "only dislikes", "no longer"])
def test_without_likes_the_catalogue_is_shown_in_its_own_order(name, history, log) -> None:
    recommender = build(name)
    if history == "empty log":
        recommender.fit(Interactions.empty())
    if history == "only dislikes":
        recommender.fit(log.where(log.ratings <= 3))
    if history == "no longer":
        recommender.fit(log)
        recommender.fit(Interactions.empty())
    slates = ask(recommender)
    assert (slates.items == np.arange(10)).all() and (slates.scores == 0).all()


@pytest.mark.parametrize("name", ALL)
def test_the_same_log_and_seed_give_the_same_slates_on_any_number_of_threads(name, log) -> None:
    with threadpool_limits(1):
        one = ask(fitted(name, log))
    with threadpool_limits(2):
        two = ask(fitted(name, log))
    assert_same(one, two)


@pytest.mark.slow
def test_a_fresh_process_with_other_thread_settings_gives_the_same_slates(capsys) -> None:
    # Big enough for BLAS to use its threads.
    script = f"""
import hashlib, numpy as np
from scipy.sparse import csr_matrix
from starec_sim.dataset import Interactions
from starec_sim.plugins import load
rng = np.random.default_rng(0)
users, items = np.nonzero(rng.random((200, 300)) < np.linspace(0.3, 0.02, 300))
log = Interactions(users, items, np.full(len(users), np.nan), users)
digest = hashlib.sha256()
for name, quick in {[(name, quickly(name)) for name in ALL]}:
    found = load("recommenders", name)
    recommender = found(found.Config(**quick), n_users=200, n_items=300, seed=1)
    recommender.fit(log)
    for column in recommender.recommend(np.arange(200), 20, csr_matrix((200, 300)), rng):
        digest.update(column.tobytes())
print(digest.hexdigest())
"""
    exec(script, {})
    here = capsys.readouterr().out
    threads = "2" if os.environ.get("OMP_NUM_THREADS") == "1" else "1"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (here, "")
    assert len(here) == 64 + 1


@pytest.mark.parametrize("name", LEARNING)
def test_a_users_slate_does_not_depend_on_who_else_asks(name, known) -> None:
    recommender = known(name)
    together = ask(recommender)
    for user in (0, 17, N_USERS - 1):
        alone = ask(recommender, users=np.array([user]))
        np.testing.assert_array_equal(alone.items[0], together.items[user])
        np.testing.assert_array_equal(alone.scores[0], together.scores[user])


@pytest.mark.parametrize("name", ALL)
def test_the_order_of_the_log_does_not_matter(name, log) -> None:
    shuffled = log.where(np.random.default_rng(0).permutation(len(log.users)))
    assert_same(ask(fitted(name, log)), ask(fitted(name, shuffled)))


@pytest.mark.parametrize("name", ALL)
def test_a_fit_forgets_the_fit_before(name, log) -> None:
    refitted = fitted(name, log.where(log.users % 2 == 0))
    refitted.observe(log)
    refitted.fit(log)
    assert_same(ask(refitted), ask(fitted(name, log)))


@pytest.mark.parametrize("name", ["als", "bpr", *SEQUENTIAL])
def test_the_seed_matters_where_the_fit_draws(name, log) -> None:
    scores = [ask(fitted(name, log, seed)).scores for seed in (1, 2)]
    assert (scores[0] != scores[1]).any()


def test_the_random_recommender_draws_from_the_generator_it_is_given(log) -> None:
    recommender = build("random")
    one, two = (
        recommender.recommend(EVERYBODY, 10, NOTHING_SEEN, np.random.default_rng(seed))
        for seed in (1, 2)
    )
    assert (one.items != two.items).any()


@pytest.mark.parametrize("name", ALL)
def test_a_restored_recommender_goes_on_exactly_as_the_one_that_was_saved(name, log, seen) -> None:
    early, late = log.where(log.times < 700), log.where(log.times >= 700)
    saved = fitted(name, early)
    saved.observe(late)
    restored = build(name)
    restored.restore(through_a_file(saved.state()))
    assert_same(ask(restored, seen=seen), ask(saved, seen=seen))
    for recommender in (saved, restored):
        recommender.observe(early)
    assert_same(ask(restored), ask(saved))
    for recommender in (saved, restored):
        recommender.fit(log)
    assert_same(ask(restored), ask(saved))


@pytest.mark.parametrize("name", ALL)
def test_a_state_does_not_change_after_it_was_taken(name, log) -> None:
    recommender = fitted(name, log.where(log.times < 700))
    taken = recommender.state()
    copies = {key: array.copy() for key, array in taken.items()}
    recommender.observe(log)
    recommender.fit(log)
    assert all((taken[key] == copies[key]).all() for key in copies)


@pytest.mark.parametrize("name", ALL)
def test_fitting_is_silent(name, log, capfd) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask(fitted(name, log))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_the_state_of_a_hundred_thousand_likes_is_a_few_megabytes(name) -> None:
    users, items = np.divmod(np.arange(0, 943 * 1682, 16), 1682)
    log = Interactions(users, items, np.full(len(users), np.nan), np.arange(len(users)))
    found = load("recommenders", name)
    quick = {"als": {"iterations": 1}, "bpr": {"iterations": 1}}
    quick |= {name: {"epochs": 1, "updates": 1, "negatives": 5} for name in SEQUENTIAL}
    config = found.Config(**quick.get(name, {}))
    recommender = found(config, n_users=943, n_items=1682, seed=0)
    fitted = log.users < (20 if name in SEQUENTIAL else 943)  # to learn from all takes seconds
    recommender.fit(log.where(fitted))
    recommender.observe(log.where(~fitted))
    assert sum(array.nbytes for array in recommender.state().values()) < 4e6
