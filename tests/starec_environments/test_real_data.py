"""Both environments over the real MovieLens 100K and AgentCF's sample, where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from starec_environments.worlds.music import Music
from starec_sim import plugins
from starec_sim.boundary import CheckedEnvironment
from starec_sim.rng import Streams
from tests.starec_environments.worlds.playing import do, lived
from tests.starec_environments.worlds.playing import play as play_rounds


@pytest.fixture(scope="module")
def real():
    def load(name):
        roots = [Path(__file__).parents[3] / "shared" / "data"]
        if given := os.environ.get("STAREC_DATA"):
            roots.insert(0, Path(given))
        found = [root / name for root in roots if (root / name).is_dir()]
        if not found:
            pytest.skip(f"the real {name} is neither in $STAREC_DATA nor in ../shared/data")
        use, settings = plugins.load("data", "detect")(found[0])
        reader, config = plugins.configure("datasets", {"use": use, **settings}, "data")
        return reader(config).load()

    return load


@pytest.mark.slow
@pytest.mark.parametrize("use", ["ranking", "feed"])
def test_a_round_of_movielens_is_played(real, build, play, use) -> None:
    world = build(use, real("ml-100k"), signals=["popularity", "rating", "together"])
    (visits,) = play(world, [0])
    assert len(world.users) > 700
    assert len(visits) > 0.7 * len(world.users)
    cards = [card for visit in visits for card in visit.steps[0].observation.cards]
    assert sum("mean rating" in card for card in cards) > 0.5 * len(cards)
    sources = {
        e.source for visit in visits for step in visit.steps for e in step.feedback.experiences
    }
    assert sources == {"logged"} if use == "ranking" else {"logged", "model"}


def test_order_of_popularity_finds_the_choice_as_often_as_the_protocol_says(real, build) -> None:
    # METHOD, "Item cards": ordering by popularity has NDCG@1 24.1 over three draws, on users of
    # the whole log; here with the training interactions of one choice each.
    world = build("ranking", real("ml-100k"), choices=1)
    world.begin_round(0)
    first = []
    for user in range(len(world.users)):
        slate = np.array(world.observe(user, ()).slate)
        target = world._replays[user].target(0)
        first.append(slate[np.argmax(world.popularity[slate])] == target)
    assert 0.2 < np.mean(first) < 0.35


def test_agentcfs_candidates_are_cleaned_of_what_users_bought(real, build, play) -> None:
    dataset = real("cds-100-dense")
    settings = {"negatives": "shipped", "candidates": 10, "choices": 1, "min_interactions": 5}
    world = build("ranking", dataset, **settings)
    assert world.describe()["users"] == 100
    assert world.describe()["shipped candidates dropped"] == 323
    for visit in play(world, [0])[0]:
        row = dataset.users.index(world.users[visit.user])
        bought = set(dataset.log.items[dataset.log.users == row].tolist())
        step = visit.steps[0]
        assert set(step.observation.slate) & bought == {step.feedback.target}


def test_music_is_played_of_amazon_cds(real) -> None:
    """What the buyers of CDs knew decides their taste; most of the rest does not fit it."""
    data = real("cds-100-dense")
    world = CheckedEnvironment(Music(Music.Config(repeats=0.25), data, Streams(0)))
    first, second = play_rounds(world, do("play"), 2)
    for visits, figures in (first, second):
        assert len(lived(visits)) == 100 * 8
        assert figures["repeat_share"] == 0.25
    fits = np.mean([world.plugin.fits(u, i) for u in range(100) for i in range(len(data.items))])
    assert 0.1 < fits < 0.6
    assert np.mean([each.like for _, each in lived(first[0])]) > fits
