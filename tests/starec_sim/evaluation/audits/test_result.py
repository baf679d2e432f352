"""Figures, bounds and the small statistics of audits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from starec_sim.errors import ConfigError
from starec_sim.evaluation.audits import Bound, read_bounds
from starec_sim.evaluation.audits.leak import says
from starec_sim.evaluation.audits.persona import _icc
from starec_sim.evaluation.audits.position import kendall_tau
from starec_sim.evaluation.audits.ratings import _jsd, _w1
from starec_sim.evaluation.audits.reflection import contradicted
from starec_sim.evaluation.audits.result import resampled
from starec_sim.metrics import Interval
from starec_sim.types import Decision, Experience, Item, Memory


@given(st.permutations(range(7)), st.integers(2, 7))
def test_tau_is_kendalls_over_what_was_read(order, read) -> None:
    decision = Decision(ranking=tuple(order), read=read)
    expected = stats.kendalltau(np.arange(read), order[:read]).statistic
    assert kendall_tau(decision, tuple(range(7))) == pytest.approx(expected)


def test_tau_of_an_answer_nobody_could_read_is_unknown() -> None:
    assert math.isnan(kendall_tau(Decision(ranking=(1, 2, 3), read=0), (1, 2, 3)))


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.1, 0.1, "holds"),
        (0.1, 0.3, "unsure"),
        (0.3, 0.5, "fails"),
        (-0.5, -0.3, "fails"),
        (-0.5, 0.5, "unsure"),
    ],
)
def test_a_bound_is_judged_by_the_whole_interval(low, high, outcome) -> None:
    bound = Bound(at_least=-0.2, at_most=0.2)
    assert bound.judge(Interval((low + high) / 2, low, high, 40)) == outcome


def test_a_figure_that_is_unknown_decides_nothing() -> None:
    assert Bound(at_most=0.2).judge(Interval(math.nan, math.nan, math.nan, 0)) == "unsure"
    assert Bound(at_most=0.2).judge(Interval(0.5, math.nan, math.nan, 1)) == "fails"


def test_histograms_are_compared_in_bits_and_stars() -> None:
    p, q = np.array([[0, 0, 0, 10, 0.0]]), np.array([[0, 0, 10, 0, 0.0]])
    assert (_jsd(p, q), _w1(p, q)) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (_jsd(p, 3 * p), _w1(p, 3 * p)) == (pytest.approx(0.0), pytest.approx(0.0))
    q = np.array([[10, 0, 0, 0, 10.0]])
    assert _w1(p, q) == pytest.approx(0.5 * 3 + 0.5 * 1)
    assert _w1(p, q) == pytest.approx(stats.wasserstein_distance([4], [1, 5]))


def test_the_intraclass_correlation_finds_the_share_that_was_put_in() -> None:
    rng = np.random.default_rng(0)
    of_user = rng.normal(0, 2, size=(400, 1, 1, 10))
    noise = rng.normal(0, 1, size=(400, 1, 2, 10))
    assert _icc(of_user + noise) == pytest.approx(0.8, abs=0.02)
    assert _icc(noise) == pytest.approx(0.0, abs=0.05)
    assert _icc(np.ones((5, 1, 2, 10))) == 0.0


def test_a_bootstrap_over_users_covers_a_known_ratio() -> None:
    values = np.random.default_rng(1).exponential(2.0, 400)
    interval = resampled(lambda who: float(values[who].mean() / 2), len(values))
    assert interval.low < 1.0 < interval.high
    assert interval.high - interval.low == pytest.approx(4 / math.sqrt(400), rel=0.25)


class Catalogue:
    items = (Item("1", "Alien", {"genre": ("Sci-Fi", "Horror")}), Item("2", "Up", {}))


@pytest.mark.parametrize(
    ("summary", "share"),
    [
        ("Sci-Fi: liked", 0.0),
        ("Sci-Fi: disliked\nHorror: liked", 0.5),
        ("- **Drama: liked**\n- Drama: disliked", 1.0),
        ("Western: disliked", 0.0),
        ("I like what I like", math.nan),
    ],
)
def test_statements_are_held_against_each_other_and_the_history(summary, share) -> None:
    history = (Experience(0, 5.0, "logged"),) * 4
    found = contradicted(Memory(history, summary), Catalogue())
    assert found == pytest.approx(share, nan_ok=True)


def test_three_meetings_prove_nothing() -> None:
    history = (Experience(0, 5.0, "logged"),) * 3
    assert contradicted(Memory(history, "Sci-Fi: disliked"), Catalogue()) == 0.0


def test_words_of_a_title_within_others_say_nothing() -> None:
    assert says("next: alien.", "Alien")
    assert not says("Aliens come", "Alien")
    assert says("(500) Days of Summer!", "(500) Days of Summer")


def test_bounds_of_ones_own_replace_those_that_ship(tmp_path) -> None:
    path = tmp_path / "bounds.yaml"
    path.write_text("position: {tau: {at_most: 0.5}}\n")
    bounds = read_bounds(path)
    assert bounds["position"]["tau"] == Bound(at_most=0.5)
    assert bounds["position"]["drop"] == read_bounds()["position"]["drop"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("positon: {tau: {at_most: 1}}", 'did you mean "position"'),
        ("position: {tua: {at_most: 1}}", 'did you mean "tau"'),
        ("position: {tau: {at_mots: 1}}", "position.tau.at_mots: there is no such key"),
        ("position: {tau: 0.2}", "a bound says at_least, at_most"),
        ("position: 3", "must hold metrics with their bounds"),
        ("- 1", "must hold keys and values"),
        ("a: b: c", "not valid YAML"),
        ("position: {tau: {at_most: 1}, tau: {}}", 'the key "tau" is there already'),
    ],
)
def test_wrong_bounds_are_told(text, told, tmp_path) -> None:
    path = tmp_path / "bounds.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_bounds(path)
