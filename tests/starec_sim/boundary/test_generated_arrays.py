"""Generated arrays of recommenders and datasets: right ones are taken, wrong ones are one error."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from starec_sim.boundary.dataset import CheckedReader
from starec_sim.boundary.recommender import CheckedRecommender, checked_slates
from starec_sim.boundary.values import BrokenContract
from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import ContractError
from starec_sim.recommender import Slates
from starec_sim.types import Item, User
from tests.starec_sim.boundary import returned_values as values

USERS = np.array([0, 2])
ASKED = np.array([[0, 4], [3, -1]])
SEEN = csr_matrix((3, values.ITEMS))
SLATES = Slates(np.array([[0, 1], [2, 8]]), np.array([[2.0, 1.0], [0.5, 0.25]]))
SCORES = np.array([[1.0, 0.5], [2.0, -np.inf]])
DATASET = Dataset(
    "mine",
    tuple(User(f"u{row}", {"age": "24"}) for row in range(2)),
    tuple(Item(f"i{row}", f"Item {row}", {"genre": ("Drama",)}) for row in range(3)),
    Interactions(
        np.array([0, 1, 1]), np.array([0, 1, 2]), np.array([3.0, np.nan, 5.0]), np.arange(3)
    ),
    candidates={0: (1, 2)},
    notes={"left out": 2},
    files={"log.csv": "read"},
)


class Plugin:
    """A recommender and a reader whose methods return what a test gives them."""

    returned = None

    def _return(self, *arguments):
        return self.returned

    fit = recommend = score = observe = state = restore = load = _return


RECOMMENDER, READER = CheckedRecommender(Plugin(), values.ITEMS), CheckedReader(Plugin())
METHODS = {
    "recommend": (
        RECOMMENDER,
        lambda: RECOMMENDER.recommend(USERS, 2, SEEN, np.random.default_rng(0)),
        SLATES,
    ),
    "score": (RECOMMENDER, lambda: RECOMMENDER.score(USERS, ASKED), SCORES),
    "state": (RECOMMENDER, RECOMMENDER.state, {"weights": SCORES, "name": np.array("als")}),
    "load": (READER, READER.load, DATASET),
}


def _call(name, returned):
    checked, call, _ = METHODS[name]
    checked.plugin.returned = returned
    return call()


@st.composite
def _other_arrays(draw, value):
    """Return an array with other numbers, of another type or of another shape."""
    array = np.array(value)
    change = draw(st.integers(0, 3))
    if change == 0 and array.size and array.dtype.kind in "if":
        place = draw(st.integers(0, array.size - 1))
        wrong = [-1, -2, 99, 6] if array.dtype.kind == "i" else [np.nan, np.inf, -3, 60, 1e300]
        array.flat[place] = draw(st.sampled_from(wrong))
        return array
    if change == 1:
        return array.astype(draw(st.sampled_from([object, str, float, bool, complex])))
    if change == 2:
        return draw(st.sampled_from([array[:-1], array[None], array.T, array.ravel(), [array, 1]]))
    return draw(values.junk)


@st.composite
def damaged(draw, value):
    """Return a value of which one part is replaced, arrays included."""
    if isinstance(value, np.ndarray) and value.ndim:
        return draw(_other_arrays(value))
    if isinstance(value, Slates | Interactions):
        name = draw(st.sampled_from(value._fields))
        return value._replace(**{name: draw(damaged(getattr(value, name)))})
    if isinstance(value, Dataset) and draw(st.booleans()):
        return Dataset(value.name, value.users, value.items, draw(damaged(value.log)))
    return draw(values.damaged(value))


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_wrong_value_is_one_error_that_names_the_call(name, data):
    wrong = data.draw(damaged(METHODS[name][2]))
    try:
        got = _call(name, wrong)
    except ContractError as error:
        label = r"(recommender|dataset) tests\.starec_sim\.boundary\.test_generated_arrays:Plugin"
        assert re.match(rf"{label}, {name}\([^)]*\): ", error.message), error.message
        assert re.search(r" \(test_generated_arrays\.py:\d+\)$", error.message), error.message
        assert error.hint and error.message.isprintable() and len(error.message) < 500
    else:
        assert _is_right(name, got), got


def _is_right(name, got):
    if name == "recommend":
        rows = [set(row) - {-1} for row in got.items.tolist()]
        return (
            got.items.dtype == np.int64
            and got.scores.dtype == np.float64
            and got.items.shape == got.scores.shape == (2, 2)
            and all(len(row) == 2 and row <= set(range(values.ITEMS)) for row in rows)
            and bool(np.isfinite(got.scores[got.items >= 0]).all())
        )
    if name == "score":
        return got.dtype == np.float64 and bool(np.isfinite(got[ASKED >= 0]).all())
    if name == "state":
        return all(
            isinstance(part, np.ndarray) and not part.dtype.hasobject for part in got.values()
        )
    log = got.log
    ratings = log.ratings[~np.isnan(log.ratings)]
    return (
        isinstance(got.name, str)
        and set(log.users.tolist()) <= set(range(len(got.users)))
        and set(log.items.tolist()) <= set(range(len(got.items)))
        and bool(((ratings >= 0) & (ratings <= 5)).all())
        and bool((np.diff(log.times) >= 0).all())
        and len({len(column) for column in log}) == 1
        and all(isinstance(user.id, str) and isinstance(user.profile, dict) for user in got.users)
        and all(isinstance(item.title, str) for item in got.items)
        and all(type(count) is int for count in got.notes.values())
        and all(type(text) is str for text in got.files.values())
        and all(set(map(type, [user, *row])) == {int} for user, row in got.candidates.items())
    )


@pytest.mark.parametrize("kind", [np.float32, np.int8, list])
def test_a_recommender_may_return_small_types_and_lists(kind):
    made = SCORES.tolist() if kind is list else np.array([[1, 0], [2, -1]], kind)
    assert _call("score", made).dtype == np.float64
    items = SLATES.items.tolist() if kind is list else SLATES.items.astype(np.uint8)
    scores = SLATES.scores.tolist() if kind is list else np.array([[2, 1], [2, 1]], kind)
    got = _call("recommend", Slates(items, scores))
    assert got.items.tolist() == SLATES.items.tolist() and got.items.dtype == np.int64


@pytest.fixture(scope="module")
def many():
    """50,000 users who have each seen items 10 to 49, and the slates of items 0 and 1."""
    users, items = np.arange(50_000), np.tile(np.array([0, 1]), (50_000, 1))
    seen = (np.repeat(users, 40), np.tile(np.arange(10, 50), 50_000))
    seen = csr_matrix((np.ones(2_000_000, np.float32), seen), shape=(50_000, 60))
    return users, items, seen


def test_slates_of_many_users_are_checked_without_a_copy_of_all_that_they_have_seen(many):
    users, items, seen = many
    tracemalloc.start()
    try:
        checked_slates((items, np.ones(items.shape)), users, 2, seen, 60)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * seen.nnz  # a number for each of them, once


def test_a_seen_item_of_the_last_of_many_users_is_named(many):
    users, items, seen = many
    items = items.copy()
    items[-1, 1] = 20
    with pytest.raises(BrokenContract, match="row 49999 gets item 20, which she has seen"):
        checked_slates((items, np.ones(items.shape)), users, 2, seen, 60)
