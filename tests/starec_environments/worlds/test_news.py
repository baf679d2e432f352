"""The news: stories appear, are counted from one snapshot, and are gone after their rounds."""

import numpy as np
import pytest

from starec_environments.worlds.news import News
from starec_sim.types import Action, Decision
from tests.starec_environments.worlds.playing import build, do, lived, play

SMALL = {"users": 8, "stories": 5, "lives": 2, "page_size": 10}


def shown(visits):
    return [item for visit in visits for step in visit.steps for item in step.observation.slate]


def read_first(user, round, page):
    first, *others = page.slate
    return Decision(actions=(Action(first, "read"), *map(Action, others)))


@pytest.mark.parametrize("order", ["newest", "most read"])
def test_a_story_is_shown_from_its_round_until_it_expires_and_no_longer(order):
    news = build(News, order=order, **SMALL)
    for round, (visits, _) in enumerate(play(news, do("skip"), 4)):
        oldest = max(0, (round - 1) * 5)
        assert set(shown(visits)) == set(range(oldest, (round + 1) * 5))
        assert news.plugin.items[round * 5].id == f"story-{round * 5 + 1}"


def test_a_card_says_how_many_have_read_the_story_before_this_round():
    news = build(News, **SMALL)
    (first, _), (second, _) = play(news, read_first, 2)
    assert all(" | readers = 0" in card for v in first for card in v.steps[0].observation.cards)
    counts = np.bincount([each.item for _, each in lived(first)], minlength=10)
    assert counts.sum() == 8
    for visit in second:
        page = visit.steps[0].observation
        for item, card in zip(page.slate, page.cards, strict=True):
            assert card.endswith(f" | readers = {counts[item]}")
    hidden = build(News, show_counts=False, **SMALL)
    assert not any(
        "readers" in card
        for card in play(hidden, read_first, 1)[0][0][0].steps[0].observation.cards
    )


def test_nobody_is_shown_a_story_that_she_has_read():
    news = build(News, **SMALL)
    seen = set()
    for visits, _ in play(news, read_first, 5):
        for visit in visits:
            page = visit.steps[0].observation.slate
            assert not seen & {(visit.user, item) for item in page}
        seen |= {(user, each.item) for user, each in lived(visits)}


def test_the_orders_are_what_they_are_called():
    newest = build(News, order="newest", **SMALL)
    for visits, _ in play(newest, read_first, 3):
        for visit in visits:
            ages = newest.plugin.age()[list(visit.steps[0].observation.slate)]
            assert (np.diff(ages) >= 0).all()
    most_read = build(News, order="most read", **SMALL)
    play(most_read, read_first, 1)
    readers = most_read.plugin.kept["readers"].copy()
    (visits, _), *_ = play(most_read, do("skip"), 1, start=1)
    readers = np.append(readers, np.zeros(5, int))
    for visit in visits:
        assert (np.diff(readers[list(visit.steps[0].observation.slate)]) <= 0).all()


@pytest.mark.slow
def test_an_old_story_is_news_as_often_as_the_setting_says():
    news = build(News, users=300, stories=6, lives=2, page_size=12, fresh=0.3)
    played = play(news, do("read"), 1)
    liked = [each.liked for _, each in lived(played[0][0])]
    # Two of six topics, and everything is new.
    assert np.mean(liked) == pytest.approx(2 / 6, abs=0.04)
    fresh = build(News, users=300, stories=6, lives=2, page_size=12, fresh=0.3)
    play(fresh, do("skip"), 1)
    (visits, _), *_ = play(fresh, do("read"), 1, start=1)
    old = [each.liked for _, each in lived(visits) if each.item < 6]
    assert np.mean(old) == pytest.approx(0.3 * 2 / 6, abs=0.04)


def test_showing_what_is_most_read_makes_few_stories_more_read():
    """With pages smaller than what there is, those who read early decide for everybody."""
    settings = {"users": 30, "stories": 8, "lives": 3, "page_size": 6}

    def mean(order, name):
        figures = [each for _, each in play(build(News, order=order, **settings), read_first, 8)]
        return np.mean([each[name] for each in figures[3:]])

    assert mean("most read", "top_share") > 2 * mean("newest", "top_share")
    assert mean("most read", "never_read") > mean("newest", "never_read")
    assert mean("newest", "age_read") == 0
