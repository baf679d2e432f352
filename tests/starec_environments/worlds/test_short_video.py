"""Short videos: seconds, energy and topics are what the settings say."""

from collections import Counter

import pytest

from starec_environments.worlds.short_video import DISLIKED, ShortVideo
from starec_sim.types import Action, Decision
from tests.starec_environments.worlds.playing import build, do, lived, play

SMALL = {"users": 6, "videos": 24}


def test_a_like_watches_a_video_to_its_end_and_nobody_watches_longer():
    world = build(ShortVideo, **SMALL)
    length = world.plugin.length
    for decide in (do("like"), do("watch", 60.0)):
        (visits, _), *_ = play(world, decide, 1)
        assert all(each.action == f"watched {length[each.item]:g}" for _, each in lived(visits))
    (visits, _), *_ = play(world, do("watch", 5.0), 1)
    assert {each.action for _, each in lived(visits)} == {"watched 5"}


@pytest.mark.parametrize("like", [True, False])
def test_a_visit_lasts_as_long_as_the_energy_of_the_user(like):
    """Without boredom a second takes 1 of a liked video, and `DISLIKED` of another one."""
    world = build(ShortVideo, boredom=0.0, page_size=1, swipe=2.0, **SMALL)
    likes = world.plugin.likes
    wanted = do("like", where=lambda user, item: bool(likes[user, item]) == like)
    (visits, figures), *_ = play(world, wanted, 1)
    for visit in visits:
        seconds = sum(step.feedback.reward["seconds"] for step in visit.steps)
        swipes = sum(step.feedback.reward["seconds"] == 0 for step in visit.steps)
        energy = seconds * (1.0 if like else DISLIKED) + 2.0 * swipes
        assert world.plugin.energy_of(visit.user) <= energy
        assert energy < world.plugin.energy_of(visit.user) + 60 * DISLIKED  # the last video
        assert visit.steps[-1].feedback.ending == "tired"
    assert figures["tired"] == 1.0
    assert figures["liked_seconds"] == (figures["seconds"] if like else 0.0)


def test_boredom_makes_the_second_video_of_a_topic_more_tiring():
    world = build(ShortVideo, users=1, videos=8, boredom=0.5, energy=1500.0, page_size=8).plugin
    world.begin_round(0)
    page = world.observe(0, ())
    watch = Decision(actions=tuple(Action(item, "watch", 10.0) for item in page.slate))
    visit = world._watched(0, [(page, watch)] * 3)
    for place, each in enumerate(visit):
        effort = 1.0 if world.likes[0, each.item] else DISLIKED
        assert each.energy == 10.0 * effort * (1 + 0.5 * (place // 8))


def test_the_feed_has_no_end():
    world = build(ShortVideo, users=2, videos=8, energy=1500.0, page_size=4, rest=0)
    (visits, _), *_ = play(world, do("skip"), 1)
    assert all(sum(len(s.observation.slate) for s in visit.steps) > 100 for visit in visits)
    assert {visit.steps[-1].feedback.ending for visit in visits} == {"tired"}


def test_a_page_has_no_more_videos_of_a_topic_than_allowed():
    world = build(ShortVideo, users=6, videos=40, page_size=5, most_alike=1)
    topic = world.plugin.topic
    for visits, _ in play(world, do("like"), 2):
        for visit in visits:
            first = visit.steps[0].observation.slate
            assert max(Counter(topic[item] for item in first).values()) == 1
    plain = build(ShortVideo, users=6, videos=40, page_size=5)
    play(plain, do("like", where=lambda user, item: plain.plugin.likes[user, item]), 3)
    plain.begin_round(3)
    for ranked in plain.plugin.ranked.values():
        assert sorted(world.plugin._mixed(ranked)) == sorted(ranked)


def test_the_recommender_learns_from_what_is_watched_for_more_than_half():
    world = build(ShortVideo, **SMALL)
    before = len(world.plugin.kept["log"])
    (visits, _), *_ = play(world, do("watch", 20.0), 1)
    new = world.plugin.kept["log"][before:]
    assert len(new) == len(lived(visits))
    for item, stars in new[:, 1:]:
        length = world.plugin.length[int(item)]
        assert stars == (5.0 if min(20.0, length) > length / 2 else 1.0)
