"""Choices have the probabilities of their models, and a row depends on nothing but itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_agents.analytic.choice import ChoiceSettings, order

USERS = 40_000
WORTH = np.array([4.0, 3.0, 4.5, 2.0])
SIGMAS = 4.5
"""Of the binomial error; a true share is further away once in 150,000 times."""


def uniform(users, places, seed=0):
    return np.random.default_rng(seed).random((users, 2 * places))


def shares(choice, worth=WORTH):
    """Return how often each place is chosen."""
    many = np.tile(worth, (USERS, 1))
    return choice.choose(many, uniform(USERS, len(worth))).mean(axis=0)


def is_close(found, expected):
    error = np.sqrt(expected * (1 - expected) / USERS)
    return np.all(np.abs(found - expected) <= SIGMAS * error)


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_a_logit_chooses_in_proportion_to_examination_and_exponential_worth(bias):
    choice = ChoiceSettings(nothing=3.5, noise=0.7, position_bias=bias, most=1)
    mass = np.arange(1, 5) ** -bias * np.exp(WORTH / 0.7)
    assert is_close(shares(choice), mass / (mass.sum() + np.exp(3.5 / 0.7)))


def test_a_logit_goes_on_among_the_other_items_until_it_chooses_nothing():
    choice = ChoiceSettings(nothing=3.0, noise=1.0, position_bias=0.0, most=2)
    a, b, no = np.exp(4.0), np.exp(2.0), np.exp(3.0)
    first, second = a / (a + b + no), b / (a + b + no)
    expected = np.array([first + second * a / (a + no), second + first * b / (b + no)])
    assert is_close(shares(choice, np.array([4.0, 2.0])), expected)


def test_a_cascade_goes_down_the_page_and_stops_after_its_choice():
    choice = ChoiceSettings(model="cascade", nothing=3.5, noise=0.5, position_bias=1.0, most=1)
    takes = np.arange(1, 5) ** -1.0 / (1 + np.exp((3.5 - WORTH) / 0.5))
    reached = np.concatenate([[1.0], np.cumprod(1 - takes)[:-1]])
    assert is_close(shares(choice), reached * takes)


@pytest.mark.parametrize("model", ["logit", "cascade"])
@pytest.mark.parametrize("most", [1, 3])
def test_no_more_is_chosen_than_is_set(model, most):
    choice = ChoiceSettings(model=model, nothing=-20.0, position_bias=0.0, most=most)
    chosen = choice.choose(np.full((50, 6), 5.0), uniform(50, 6))
    assert (chosen.sum(axis=1) == most).all()


def test_position_bias_can_be_recovered_from_choices():
    choice = ChoiceSettings(nothing=-20.0, position_bias=0.8, most=1)
    found = shares(choice, np.full(8, 4.0))
    slope, _ = np.polyfit(np.log(np.arange(1, 9)), np.log(found), 1)
    assert slope == pytest.approx(-0.8, abs=0.05)


def test_a_ranking_puts_an_item_first_as_often_as_a_logit_chooses_it():
    choice = ChoiceSettings(noise=0.7, position_bias=0.5)
    ranked = order(np.tile(WORTH, (USERS, 1)), choice, uniform(USERS, 4))
    mass = np.arange(1, 5) ** -0.5 * np.exp(WORTH / 0.7)
    first = np.bincount(ranked[:, 0], minlength=4) / USERS
    assert is_close(first, mass / mass.sum())
    assert (np.sort(ranked, axis=1) == np.arange(4)).all()


@given(
    st.sampled_from(["logit", "cascade"]),
    st.lists(st.floats(1, 5), min_size=1, max_size=6),
    st.integers(0, 4),
    st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_what_a_user_chooses_depends_neither_on_padding_nor_on_other_users(
    model, worth, padding, others
):
    choice = ChoiceSettings(model=model, most=2)
    draws = uniform(1 + others, len(worth) + padding, seed=len(worth))
    alone = choice.choose(np.array([worth]), draws[:1])
    wide = np.full((1 + others, len(worth) + padding), -np.inf)
    wide[:, : len(worth)] = worth
    together = choice.choose(wide, draws)
    assert together[0, : len(worth)].tolist() == alone[0].tolist()
    assert not together[:, len(worth) :].any()
    ranked = order(wide, choice, draws)[0, : len(worth)]
    assert ranked.tolist() == order(np.array([worth]), choice, draws[:1])[0].tolist()


def test_extreme_settings_overflow_nothing():
    for model in ("logit", "cascade"):
        choice = ChoiceSettings(model=model, nothing=20.0, noise=0.001)
        with np.errstate(all="raise", under="ignore"):
            assert not choice.choose(np.array([[5.0, -np.inf]]), uniform(1, 2)).any()
