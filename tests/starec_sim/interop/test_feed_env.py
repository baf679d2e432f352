"""The recommender as a Gymnasium environment: the checkers of Gymnasium, rewards, what is known."""

import warnings

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra `rl`")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from starec_sim.errors import ConfigError, StarecError  # noqa: E402
from starec_sim.interop.feed_env import FeedEnv  # noqa: E402
from starec_sim.interop.feed_vector_env import FeedVectorEnv  # noqa: E402

SMALL = {"use": "synthetic", "users": 30, "items": 80, "interactions": 20}
IDS = ("starec/Feed-v0", "starec/FeedScores-v0")


@pytest.fixture
def make():
    made = []

    def build(cls=FeedEnv, **settings):
        made.append(cls(**{"data": SMALL, "rounds": 4, **settings}))
        return made[-1]

    yield build
    for env in made:
        env.close()


def played(env, seed, steps=8):
    """Return observations and rewards of random actions."""
    env.action_space.seed(seed)
    found = [env.reset(seed=seed)]
    for _ in range(steps):
        found.append(env.step(env.action_space.sample())[:4])
    return found


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_checker_has_nothing_to_say(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(f"starec_sim.interop.feed_env:{name}", data=SMALL, rounds=4)
        check_env(env.unwrapped)
        env.close()


@pytest.mark.parametrize("actions", ["slate", "scores"])
def test_one_seed_gives_one_course(make, actions):
    first, second = (played(make(actions=actions), 5, 4) for _ in range(2))
    assert gymnasium.utils.env_checker.data_equivalence(first, second)
    other = played(make(actions=actions), 6, 4)
    assert not gymnasium.utils.env_checker.data_equivalence(first, other)


def test_a_slate_is_shown_in_its_order_and_what_cannot_be_shown_is_counted(make):
    env = make(feed={"page_size": 3, "pages": 1, "activity": 1.0})
    known, _ = env.reset(seed=1)
    fresh = np.flatnonzero(known["consumed"] == 0)
    consumed = np.flatnonzero(known["consumed"])
    *_, info = env.step(np.array([fresh[5], fresh[2], fresh[9]]))
    assert info["shown"] == (fresh[5], fresh[2], fresh[9])
    assert info["replaced"] == 0
    env.reset(seed=1)
    *_, info = env.step(np.array([consumed[0], fresh[4], fresh[4]]))
    # The next allowed items of the catalogue stand in for one that she knows and one named twice.
    assert info["shown"] == (fresh[4], fresh[0], fresh[1])
    assert info["replaced"] == 2


def test_scores_show_the_highest_first(make):
    env = make(actions="scores", feed={"page_size": 3, "pages": 1, "activity": 1.0})
    known, _ = env.reset(seed=2)
    a, b, c = np.flatnonzero(known["consumed"] == 0)[10:13]
    scores = np.zeros(80, np.float32)
    scores[[a, b, c]] = 0.5, 0.9, 0.7
    assert env.step(scores.astype(np.float64))[4]["shown"] == (b, c, a)


def test_the_observation_says_what_was_done_and_no_true_stars(make):
    env = make(feed={"page_size": 20, "pages": 1, "activity": 1.0})
    before, _ = env.reset(seed=3)
    slate = np.flatnonzero(before["consumed"] == 0)[:20]
    after, *_, info = env.step(slate)
    assert np.flatnonzero(after["shown"]).tolist() == sorted(info["shown"])
    new = np.flatnonzero(after["consumed"] - before["consumed"])
    assert new.tolist() == sorted(info["watched"])
    # The stars are the ones that the user said before she watched, as a recommender of a feed gets.
    visits = env.population.environment.plugin
    truth = {e.item: e.rating for e in visits.history(0)}
    assert set(truth) == set(np.flatnonzero(before["consumed"]))
    assert after["visited"] == 1.0


def test_rewards_are_those_of_the_feed_and_zero_without_a_visit(make):
    env = make(feed={"page_size": 5, "pages": 2, "activity": 0.5}, rounds=12)
    env.reset(seed=0)
    came = []
    for _ in range(12):
        known, reward, terminated, truncated, info = env.step(env.action_space.sample())
        came.append(info["rewards"]["retention"])
        assert reward == info["rewards"]["satisfaction"]
        assert known["visited"] == info["rewards"]["retention"]
        if not came[-1]:
            assert set(info["rewards"].values()) == {0.0}
            assert info["shown"] == ()
    assert 0 < sum(came) < 12
    assert truncated and not terminated


def test_rewards_can_be_weighed(make):
    env = make(reward={"engagement": 2.0, "retention": 0.5}, feed={"activity": 1.0})
    env.reset(seed=4)
    _, reward, *_, info = env.step(env.action_space.sample())
    rewards = info["rewards"]
    assert reward == pytest.approx(2 * rewards["engagement"] + 0.5 * rewards["retention"])


def test_a_policy_answers_through_an_agent_with_prompts(make):
    env = make(agent="star", policy="lexical", rounds=2)
    assert played(env, 1, 2)[1][1] is not None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reward": "satisfacton"}, 'did you mean "satisfaction"'),
        ({"reward": {"engagement": "much"}}, "reward.engagement"),
        ({"rounds": 0}, "rounds: must be greater than or equal to 1"),
        ({"rounds": "a"}, "rounds: must be"),
        ({"actions": "pages"}, "actions: must be 'slate' or 'scores'"),
        ({"feed": {"users": 3}}, "feed.users: this key is set here"),
        ({"feed": {"page_sise": 3}}, "feed.page_sise: there is no such key"),
        ({"feed": {"min_interactions": 10_000}}, "10000 interactions"),
    ],
)
def test_a_wrong_setting_is_named(make, settings, said):
    with pytest.raises(Exception, match=said) as error:
        make(**settings)
    assert error.value.hint


@pytest.mark.parametrize("action", [np.array([1, 2, 3]), np.full(10, 80), np.full(10, -1)])
def test_an_action_outside_of_the_space_is_refused(make, action):
    env = make()
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="is none: it must be in MultiDiscrete"):
        env.step(action)


def test_a_step_after_the_end_is_refused(make):
    env = make()
    env.close()
    with pytest.raises(StarecError, match="this environment is closed"):
        env.step(env.action_space.sample())


def test_many_users_play_at_once_and_begin_again_together(make):
    env = make(FeedVectorEnv, num_envs=3, rounds=2)
    known, info = env.reset(seed=7)
    assert len(set(info["user"])) == 3
    assert known in env.observation_space
    ends = []
    for _ in range(4):
        known, rewards, _, truncated, _ = env.step(env.action_space.sample())
        assert known in env.observation_space and rewards.shape == (3,)
        ends.append(truncated.tolist())
    assert ends == [[False] * 3, [True] * 3, [False] * 3, [False] * 3]  # the third begins anew
    assert known["round"].tolist() == [[0.5]] * 3
    with pytest.raises(ConfigError, match="drawn together, by one seed"):
        env.reset(seed=[1, 2, 3])


def test_vectors_of_gymnasium_and_ours_are_made_by_id():
    name = "starec_sim.interop.feed_env:starec/FeedScores-v0"
    for mode in ("sync", "vector_entry_point"):
        env = gymnasium.make_vec(name, 2, vectorization_mode=mode, data=SMALL, rounds=2)
        env.reset(seed=1)
        rewards = [env.step(env.action_space.sample())[1] for _ in range(3)]
        assert np.isfinite(rewards).all() and np.shape(rewards) == (3, 2)
        env.close()
