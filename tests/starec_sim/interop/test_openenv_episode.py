"""An episode: one user, and slates from outside."""

import asyncio

import pytest

from starec_sim.errors import ConfigError
from starec_sim.experiment import Experiment
from starec_sim.interop.openenv_episode import MOST_REFUSED, REFUSED, SlateError, UserSource
from starec_sim.interop.openenv_messages import observation


def experiment(**changes):
    values = {
        "name": "tiny",
        "rounds": 3,
        "data": {"use": "synthetic", "users": 12, "items": 40, "interactions": 12},
        "environment": {"use": "feed", "recommender": "item-knn", "page_size": 3, "pages": 2},
        "policies": {"fast": "lexical", "slow": "lexical"},
    }
    return Experiment(**{**values, **changes})


@pytest.fixture(scope="module")
def source():
    return UserSource(experiment(), candidates=10)


def best(episode):
    """Return the ids that the recommender behind would show."""
    rows = episode.exchange.candidates[: episode.exchange.size]
    return [episode.environment.items[row].id for row in rows]


def play(episode, choose=best):
    results = []
    while not episode.done:
        results.append(asyncio.run(episode.show(choose(episode))))
    return results


def shown(episode, result):
    rows = [row for step in result.visit.steps for row in step.observation.slate]
    return [episode.environment.items[row].id for row in rows]


def test_a_user_sees_the_slate_from_outside_in_its_order(source):
    episode = source.episode(seed=1)
    slate = best(episode)[::-1]
    seen = shown(episode, asyncio.run(episode.show(slate)))
    assert seen == slate[: len(seen)]
    assert len(seen) >= 3


def test_one_seed_is_one_episode_and_another_seed_another(source):
    def told(seed):
        episode = source.episode(seed)
        return [(r.reward, shown(episode, r)) for r in play(episode)], episode.person.id

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_other_slates_earn_other_rewards(source):
    def last(episode):
        rows = [n for n in range(40) if n not in episode.exchange.seen]
        return [episode.environment.items[row].id for row in rows[-episode.exchange.size :]]

    first, second = (
        [r.rewards for r in play(source.episode(1), choose)] for choose in (best, last)
    )
    assert first != second


def test_in_a_world_without_stars_the_recommender_is_told_what_was_liked():
    shop = {"use": "shop", "users": 6, "pages": 1}
    source = UserSource(experiment(data=None, environment=shop), {"spent": 1.0}, candidates=10)
    episode = source.episode(seed=1)
    result = play(episode)[0]
    lived = result.visit.steps[0].feedback.experiences
    (page,) = observation(episode, result).pages
    told = {item.id: item.liked for item in page.items if item.liked is not None}
    assert told == {episode.environment.items[each.item].id: each.like for each in lived}
    assert told
    assert all(item.stars is None for item in page.items)


def test_the_reward_is_the_weighted_mean_over_pages():
    source = UserSource(experiment(), {"engagement": 2.0})
    episode = source.episode(seed=1)
    result = asyncio.run(episode.show(best(episode)))
    pages = [step.feedback.reward["engagement"] for step in result.visit.steps]
    assert result.reward == pytest.approx(2 * sum(pages) / len(pages))
    assert set(result.rewards) == {"engagement"}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda slate, episode: slate[:-1], "holds 5 items; it must hold 6"),
        (lambda slate, episode: [*slate[:-1], slate[0]], "twice"),
        (lambda slate, episode: [*slate[:-1], "x99"], 'there is no item "x99"'),
        (
            lambda slate, episode: [
                *slate[:-1],
                episode.environment.items[min(episode.exchange.seen)].id,
            ],
            "may not be shown",
        ),
    ],
)
def test_a_slate_that_cannot_be_shown_is_refused_and_changes_nothing(source, spoil, problem):
    episode, untouched = source.episode(seed=1), source.episode(seed=1)
    slate = best(episode)
    refused = asyncio.run(episode.show(spoil(slate, episode)))
    assert problem in refused.problem
    assert (refused.reward, refused.visit, episode.round) == (REFUSED, None, untouched.round)
    again, expected = (asyncio.run(e.show(slate)) for e in (episode, untouched))
    assert again.rewards == expected.rewards


def test_an_episode_ends_after_ten_refused_slates(source):
    episode = source.episode(seed=1)
    assert len(play(episode, lambda episode: [])) == MOST_REFUSED
    with pytest.raises(SlateError, match="the episode is over"):
        asyncio.run(episode.show([]))


def test_rounds_in_which_she_stays_away_are_counted():
    rare = {"use": "feed", "recommender": "random", "page_size": 2, "pages": 1, "activity": 0.4}
    source = UserSource(experiment(rounds=12, environment=rare))
    episode = source.episode(seed=5)
    visits, absent = 0, 0
    while not episode.done:
        absent += episode.absent
        asyncio.run(episode.show(best(episode)))
        visits += 1
    assert 0 < visits < 12
    assert visits + absent + episode.absent == 12


def test_a_user_is_chosen_by_her_id(source):
    assert source.episode(seed=1, user="u5").person.id == "u5"
    with pytest.raises(ConfigError, match='there is no user "u99"'):
        source.episode(seed=1, user="u99")


@pytest.mark.parametrize(
    ("changes", "weights", "message"),
    [
        ({"environment": {"use": "ranking", "candidates": 4}}, None, "no setting `recommender`"),
        ({"arms": {"a": {}, "b": {}}}, None, "2 arms: a, b"),
        ({}, {"fun": 1.0}, 'no reward "fun"; known: engagement, satisfaction'),
        ({}, {"engagement": float("nan")}, "finite weight"),
        ({}, {}, "finite weight"),
    ],
)
def test_an_experiment_that_does_not_fit_is_refused(changes, weights, message):
    given = () if weights is None else (weights,)
    with pytest.raises(ConfigError, match=message):
        UserSource(experiment(**changes), *given)


def test_at_least_a_slate_is_offered():
    episode = UserSource(experiment(), candidates=1).episode(seed=1)
    assert len(episode.exchange.candidates) == episode.exchange.size == 6


def test_an_environment_of_somebody_else_is_played_too(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from starec_environments.feed import FeedEnvironment\n\n"
        "class Mine(FeedEnvironment):\n    pass\n"
    )
    feed = experiment().environment
    source = UserSource(experiment(environment={**feed, "use": f"{plugin}:Mine"}))
    results = play(source.episode(seed=1), lambda episode: best(episode)[::-1])
    assert results and all(result.problem == "" for result in results)
