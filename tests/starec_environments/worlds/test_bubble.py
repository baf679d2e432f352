"""The bubble: what the engine measures is what the formulas say."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_environments.worlds.bubble import (
    Bubble,
    favourite_share,
    joy,
    onset,
    same_favourite,
)
from starec_sim import read_run
from starec_sim.rng import Streams
from starec_sim.testing import EnvironmentSuite
from tests.starec_environments.worlds.playing import build, do, play

MODULE = "starec_environments.worlds.bubble"


class TestContract(EnvironmentSuite):
    def make(self, seed):
        return Bubble(Bubble.Config(users=6, drift=0.3), None, Streams(seed))


def favourites(world):
    """Return a function that reads exactly what is of the user's favourite topic."""
    plugin = world.plugin
    return do("read", where=lambda user, item: plugin._is_favourite(user, item))


def figures(name, rounds, **settings):
    world = build(Bubble, **settings)
    return [each[name] for _, each in play(world, favourites(world), rounds)]


@pytest.mark.parametrize(("growth", "topics"), [(1.5, 5), (2.0, 3), (1.2, 10)])
def test_the_share_of_the_favourite_grows_by_the_formula(growth, topics):
    users, rounds = 60, 8
    measured = figures("favourite_share", rounds, growth=growth, topics=topics, users=users)
    expected = [favourite_share(growth, topics, t) for t in range(rounds)]
    # A count is its expectation rounded up or down: at most 1/2 of 10 items in standard deviation.
    assert measured == pytest.approx(expected, abs=4 * 0.05 / np.sqrt(users))


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_bubble_begins_in_the_round_of_the_formula(share):
    growth, topics = 1.7, 4
    measured = figures("favourite_share", 10, growth=growth, topics=topics, users=50)
    first = next(round for round, value in enumerate(measured) if value >= share)
    assert first == onset(growth, topics, share)


@given(st.floats(1.01, 5), st.integers(2, 20), st.floats(0.05, 0.95))
def test_the_onset_is_the_first_round_with_the_share(growth, topics, share):
    first = onset(growth, topics, share)
    assert favourite_share(growth, topics, first) >= share - 1e-9
    assert first == 0 or favourite_share(growth, topics, first - 1) < share + 1e-9


@given(st.floats(0.05, 1), st.floats(0, 1))
def test_no_share_gives_more_joy_than_the_best_one(best, share):
    assert joy(share, best) <= joy(best, best) == 1.0


def test_the_best_strategy_has_the_most_joy_and_greedy_loses_what_it_gained():
    best, greedy, uniform = (
        figures("joy", 12, strategy=strategy, best_share=0.6, users=40)
        for strategy in ("best", "greedy", "uniform")
    )
    assert best == pytest.approx([1.0] * 12)
    assert max(greedy) < 1.0 and max(uniform) < 1.0
    peak = onset(1.5, 5, 0.6)
    assert abs(int(np.argmax(greedy)) - peak) <= 1
    assert greedy[11] < greedy[peak] - 0.2
    assert uniform == pytest.approx([joy(0.2, 0.6)] * 12)


def test_favourites_drift_at_the_known_rate():
    users, drift, topics = 150, 0.2, 5
    settings = {"users": users, "drift": drift, "topics": topics, "page_size": 5}
    measured = figures("same_favourite", 6, strategy="uniform", **settings)
    for t, value in enumerate(measured):
        p = same_favourite(drift, topics, t)
        assert value == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / users) + 1e-12)


def test_whoever_reads_at_random_lives_in_no_bubble():
    world = build(Bubble, users=30)
    everything = [each for _, each in play(world, do("read"), 10)]
    assert [each["favourite_share"] for each in everything] == pytest.approx([0.2] * 10)
    assert everything[-1]["true_to_taste"] == pytest.approx(0.2)


def test_a_page_has_the_expected_number_of_each_topic_rounded_up_or_down():
    world = build(Bubble, users=20, topics=7, page_size=9, growth=1.3)
    play(world, favourites(world), 4)
    world.begin_round(4)
    for user in range(20):
        counts, expected = world.plugin.counts(user), 9 * world.plugin.shares(user)
        assert counts.sum() == 9
        assert (np.abs(counts - expected) < 1 + 1e-9).all()


def test_a_page_too_small_for_its_topics_is_refused():
    with pytest.raises(ValueError, match="a page of 4 items has no room for 5 topics"):
        Bubble.Config(page_size=4)


def test_a_run_with_the_policy_that_follows_its_taste_shows_the_formula(starec, tmp_path: Path):
    policy = f"{{use: '{MODULE}:TastePolicy'}}"
    (tmp_path / "bubble.yaml").write_text(f"""
name: bubble
rounds: 6
executor: cohort
runs_dir: {tmp_path / "runs"}
policies: {{fast: {policy}, slow: {policy}}}
environment: {{use: "{MODULE}:Bubble", users: 30}}
""")
    status, out, err = starec("run", tmp_path / "bubble.yaml", "--json")
    assert status == 0, err
    measured: dict[str, list[float]] = {}
    for row in read_run(json.loads(out)["run"]).metrics():
        measured.setdefault(row.metric, []).append(row.value)
    assert measured["true_to_taste"] == [1.0] * 6
    expected = [favourite_share(1.5, 5, t) for t in range(6)]
    assert measured["favourite_share"] == pytest.approx(expected, abs=0.04)
