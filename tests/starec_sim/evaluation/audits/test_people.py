"""Figures of people come from a log only where the log can tell them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_environments.datasets.synthetic import Synthetic
from starec_sim.dataset import Dataset, Interactions
from starec_sim.evaluation.audits import order
from starec_sim.evaluation.audits.activity import Activity, _low, _mean, _spread
from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.people import sessions_of_people, star_counts, stars_of_people
from starec_sim.holdout import EvaluationProtocol, HoldOut
from starec_sim.types import Item, Memory, User

ITEMS = 40
START_S, DAY_S = 1_600_000_123, 86_400
PROTOCOL = EvaluationProtocol(candidates=2, draws=1, at=(1,), min_interactions=4)


def panel(times, stars=4.0):
    """A panel of people who did things at these times, one list of times for each."""
    users = np.repeat(np.arange(len(times)), [len(each) for each in times])
    items = np.concatenate([np.arange(len(each)) for each in times])
    log = Interactions(users, items, np.full(len(users), stars), np.concatenate(times))
    log = log.where(np.argsort(log.times, kind="stable"))
    people = tuple(User(str(row), {}) for row in range(len(times)))
    catalogue = tuple(Item(str(row), f"Title {row}", {}) for row in range(ITEMS))
    holdout = HoldOut(PROTOCOL, Dataset("made", people, catalogue, log), 0)
    memories = [[Memory(())] for _ in holdout.rows]
    return Panel(holdout, None, [people[row] for row in holdout.rows], memories)


def sittings(*sizes):
    """Times of sittings of these sizes, a day apart, with a minute and a bit between two acts."""
    return np.concatenate(
        [START_S + day * DAY_S + 67 * np.arange(n) for day, n in enumerate(sizes)]
    )


def sessions_of(made):
    return sessions_of_people(made, np.arange(len(made)))


def test_sessions_are_counted_where_people_come_back() -> None:
    found = sessions_of(panel([sittings(3, 5), sittings(2, 2, 2), sittings(6)]))
    assert not found.why_not
    assert found.lengths.tolist() == [4.0, 2.0, 6.0]


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ([sittings(6), sittings(8), sittings(3, 3)], "67% of the people .* a single sitting"),
        ([START_S // 60 * 60 + DAY_S * np.arange(6)] * 2, "do not tell seconds apart"),
        ([np.arange(6)] * 2, "not seconds since 1970"),
        ([START_S + DAY_S * np.arange(6)] * 2, "one thing at a time"),
    ],
)
def test_sessions_are_not_counted_where_the_times_do_not_tell_them(times, why) -> None:
    found = sessions_of(panel(times))
    assert len(found.lengths) == 0
    assert re.search(why, found.why_not)


def test_stars_of_people_are_counted_user_by_user() -> None:
    assert stars_of_people(panel([sittings(3, 5)] * 2, stars=3.5)).tolist() == [[0, 0, 0, 8, 0]] * 2
    unrated = panel([sittings(3, 5)] * 2, stars=np.nan)
    assert stars_of_people(unrated).tolist() == [[0] * 5] * 2, "a choice is no rating"
    assert star_counts(np.array([np.nan, 0.0, 1.0, 5.0])).tolist() == [2, 0, 0, 0, 1]


COUNTS = st.lists(st.lists(st.integers(0, 30), min_size=5, max_size=5), min_size=2, max_size=8).map(
    lambda rows: np.array(rows, float)
)


@given(COUNTS)
def test_figures_of_histograms_are_those_of_the_single_ratings(counts) -> None:
    stars = [np.repeat(np.arange(1, 6), row.astype(int)) for row in counts]
    every = np.concatenate(stars)
    if not len(every):
        assert np.isnan(_low(counts)) and np.isnan(_mean(counts))
        return
    assert _low(counts) == pytest.approx(np.mean(every <= 2))
    assert _mean(counts) == pytest.approx(every.mean())
    several = [each for each in stars if len(each) > 1]
    if len(several) < 2:
        assert np.isnan(_spread(counts))
        return
    means = np.array([each.mean() for each in several])
    chance = np.mean([each.var(ddof=1) / len(each) for each in several])
    assert _spread(counts) ** 2 == pytest.approx(max(0.0, means.var(ddof=1) - chance), abs=1e-9)


def test_the_order_of_recommenders_is_compared_user_by_user() -> None:
    rng = np.random.default_rng(0)
    quality = np.linspace(0.1, 0.9, 5)[:, None] + rng.normal(0, 0.05, (5, 40))
    everybody = np.arange(40)
    pairs = order._told_apart(quality)
    assert pairs == [(b, a) for a in range(5) for b in range(a + 1, 5)]
    assert order._spearman(quality, quality, everybody) == pytest.approx(1)
    assert order._spearman(-quality, quality, everybody) == pytest.approx(-1)
    assert order._agreement(quality, pairs, everybody) == 1
    assert order._agreement(-quality, pairs, everybody) == 0
    alike = np.ones((5, 40))
    assert order._spearman(alike, quality, everybody) == 0
    assert order._agreement(alike, pairs, everybody) == 0.5
    assert order._told_apart(rng.normal(0, 1, (2, 40))) == []


def test_a_recommender_shows_nothing_that_was_met_before_the_answer() -> None:
    data = Synthetic(Synthetic.Config(users=12, items=60, interactions=20)).load()
    holdout = HoldOut(EvaluationProtocol(draws=1), data, 0)
    made = Panel(holdout, None, [data.users[row] for row in holdout.rows], [])
    for spec in order.RECOMMENDERS.values():
        found = made.recommended(spec)
        assert found is made.recommended(spec), "it is fitted once"
        assert found.pages.shape == (len(made), 8)
        assert ((found.ndcg >= 0) & (found.ndcg <= 1)).all()
        for log, page in zip(holdout.user_logs, found.pages, strict=True):
            assert not set(log.items[: log.choices[-1]].tolist()) & set(page.tolist())


def test_users_who_met_what_anybody_met_are_asked_nothing() -> None:
    made, audit = panel([sittings(20, 17), sittings(20, 19)]), Activity()
    assert [audit._session(made, user) is None for user in range(2)] == [False, True]
    made = panel([sittings(20, 19)] * 2)
    assert list(audit.questions(made)) == []
    assert audit.result(made, {}).unmeasured == "every user has met all items that anybody met"
