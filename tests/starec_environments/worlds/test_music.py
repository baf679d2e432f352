"""Music: what is played too often wears out, and how often that is follows from formulas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_environments.worlds.music import (
    Music,
    plays_until_tired,
    rounds_of_rest,
    weariness,
)
from starec_sim.build import load_dataset
from starec_sim.errors import ConfigError
from starec_sim.rng import Streams
from tests.starec_environments.worlds.playing import build, do, lived, play

SMALL = {"users": 6, "tracks": 24}
FADES = st.floats(min_value=0.05, max_value=0.95)
PATIENCES = st.floats(min_value=0.1, max_value=5.0)


@given(FADES, PATIENCES)
def test_the_formulas_are_the_sums(fade, patience):
    plays = plays_until_tired(fade, patience)
    if plays is None:
        assert weariness(fade, 1, 400) <= patience * (1 + 1e-9)
    else:
        assert weariness(fade, 1, plays) >= patience
        assert plays == 1 or weariness(fade, 1, plays - 1) < patience
    every = rounds_of_rest(fade, patience)
    assert weariness(fade, every, 400) <= patience * (1 + 1e-6)
    assert every == 1 or weariness(fade, every - 1, 2000) >= patience * (1 - 1e-6)


def test_a_track_that_is_played_in_each_round_wears_out_when_the_formula_says_so():
    """Eight tracks and a page of eight: everybody plays all of them in every round."""
    world = build(Music, users=6, tracks=8, page_size=8)
    for played, (visits, figures) in enumerate(play(world, do("play"), 6)):
        tired = played >= plays_until_tired(0.8, 1.5)
        for user, each in lived(visits):
            assert each.like == (world.plugin.fits(user, each.item) and not tired)
        assert figures["tired_share"] == tired


def test_with_the_rest_of_the_formula_nothing_wears_out():
    spacing = rounds_of_rest(0.8, 1.5)
    often = play(build(Music, **SMALL, repeats=1.0), do("play"), 12)
    rested = play(build(Music, **SMALL, repeats=1.0, spacing=spacing), do("play"), 12)
    assert max(figures["tired_share"] for _, figures in often) > 0.2
    assert {figures["tired_share"] for _, figures in rested} == {0.0}


def test_nothing_is_shown_before_it_has_rested():
    world = build(Music, **SMALL, spacing=2)
    last = {}
    for round, (visits, _) in enumerate(play(world, do("play"), 8)):
        for user, each in lived(visits):
            assert round - last.get((user, each.item), -9) >= 2
            last[user, each.item] = round


@pytest.mark.parametrize(("repeats", "again"), [(0.0, 0), (0.5, 4), (1.0, 5)])
def test_the_share_of_repeats_is_that_of_the_settings(repeats, again):
    """Each has played five tracks before, so that a page has at most five of them."""
    world = build(Music, users=6, tracks=80, repeats=repeats)
    ((visits, figures),) = play(world, do("play"), 1)
    assert figures["repeat_share"] == pytest.approx(again / 8)
    assert len(lived(visits)) == 6 * 8


def test_cards_say_how_often_and_how_lately_a_track_was_played():
    world = build(Music, users=2, tracks=8, page_size=8)
    play(world, do("play", where=lambda user, item: item == 3), 2)
    world.begin_round(4)
    cards = dict(zip((page := world.observe(0, ())).slate, page.cards, strict=True))
    assert cards[3].endswith("| rounds ago = 3")
    assert not any("rounds ago" in text for item, text in cards.items() if item != 3)


def test_what_was_played_survives_a_resume():
    world, again = build(Music, **SMALL), build(Music, **SMALL)
    play(world, do("play"), 3)
    again.restore(world.state())
    assert play(world, do("save"), 2, start=3) == play(again, do("save"), 2, start=3)


def test_it_plays_the_items_of_a_dataset_and_names_a_wrong_attribute():
    data = load_dataset("synthetic", users=12, items=60, interactions=12)
    name = next(iter(data.items[0].attributes))
    world = Music(Music.Config(attribute=name), data, Streams(0))
    assert (world.users, world.items) == (data.users, data.items)
    knew = [value for item in world._before[0] for value in data.items[item].attributes[name]]
    assert world._tastes[0] == {value for value in knew if knew.count(value) > 1}
    with pytest.raises(ConfigError, match=r"no item of .* has the attribute .mood."):
        Music(Music.Config(attribute="mood"), data, Streams(0))
