"""Which users take part in a feed, and which settings are refused."""

import numpy as np
import pytest

from starec_environments.feed import FeedEnvironment
from starec_sim.errors import ConfigError, DataError, PluginError

from .feeds import RECOMMENDERS

# Who takes part


def test_what_is_known_is_the_first_part_of_each_log(rated, build) -> None:
    environment = build("feed", rated, warm=0.3)
    for user in range(60):
        mine = rated.log.where(rated.log.users == user)
        known = int(np.ceil(0.3 * len(mine.items)))
        assert [e.item for e in environment.history(user)] == mine.items[:known].tolist()
        assert [e.rating for e in environment.history(user)] == mine.ratings[:known].tolist()


def test_what_was_consumed_without_a_rating_is_known_but_not_in_a_history(make, build) -> None:
    rows = [(0, item, np.nan if item % 2 else 4.0) for item in range(10)]
    environment = build("feed", make(rows, 20), recommender="popularity", warm=1.0, activity=1.0)
    assert [e.item for e in environment.history(0)] == [0, 2, 4, 6, 8]
    assert environment.popularity.sum() == 10
    environment.begin_round(0)
    assert set(environment.observe(0, ()).slate) <= set(range(10, 20))


def test_who_is_left_out_is_counted_and_a_sample_is_the_same_for_a_seed(make, build) -> None:
    rows = [(user, item, 4.0) for item in range(10) for user in range(30)] + [(30, 0, 4.0)]
    dataset = make(rows, 40, n_users=32)
    facts = build("feed", dataset, users=8).describe()
    assert facts["left out"] == {"too few interactions": 2, "not sampled": 22}
    assert facts["users"] == 8 and facts["truth"] == "model"

    def sample(seed):
        return [user.id for user in build("feed", dataset, seed, users=8).users]

    assert sample(1) == sample(1) != sample(2)


def test_a_sample_of_users_has_the_truth_of_the_whole_dataset(synthetic, build, play) -> None:
    environment = build("feed", synthetic, users=5, activity=1.0)
    row = {user.id: number for number, user in enumerate(synthetic.users)}
    for visit in play(environment, [0])[0]:
        for e in visit.steps[0].feedback.experiences:
            of = row[environment.users[visit.user].id]
            assert e.rating == round(synthetic.world.ratings(of, np.array([e.item]), 0)[0])


def test_no_user_with_enough_interactions_is_an_error(make, build) -> None:
    with pytest.raises(DataError, match="no user of made up has 10 interactions") as error:
        build("feed", make([(0, 0, 5.0)], 3))
    assert "min_interactions" in error.value.hint


def test_data_without_any_rating_is_an_error_that_says_what_to_do(make, build) -> None:
    rows = [(user, item, np.nan) for item in range(12) for user in range(3)]
    with pytest.raises(DataError, match="made up holds no ratings") as error:
        build("feed", make(rows, 20))
    assert "ranking" in error.value.hint


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_one_user_and_one_page_are_enough(make, build, play, recommender) -> None:
    dataset = make([(0, item, float(1 + item % 5)) for item in range(10)], 12)
    environment = build("feed", dataset, recommender=recommender, pages=1, activity=1.0)
    rounds = play(environment, range(2))
    assert [len(visits) for visits in rounds] == [1, 1]
    assert len(rounds[0][0].steps) == 1


# Settings


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"recommender": {"use": "als", "factrs": 3}}, "environment.recommender.factrs"),
        ({"recommender": {"use": "als", "factors": 0}}, "environment.recommender.factors"),
        ({"recommender": 3}, "environment.recommender"),
        ({"refit_every": -1}, "environment.refit_every"),
        ({"page_size": 0}, "environment.page_size"),
        ({"warm": 0.0}, "environment.warm"),
        ({"warm": 1.1}, "environment.warm"),
        ({"activity": 1.5}, "environment.activity"),
        ({"signals": ["fame"]}, "environment.signals.0"),
        ({"signals": ["rating", "rating"]}, "environment.signals"),
    ],
)
def test_a_wrong_setting_is_named_by_its_key(synthetic, build, settings, key) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: "):
        build("feed", synthetic, **settings)


def test_a_recommender_that_does_not_exist_is_named_in_the_short_form_too(synthetic, build) -> None:
    with pytest.raises(PluginError, match=r'environment.recommender.use: .*"alss".*"als"'):
        build("feed", synthetic, recommender="alss")


def test_the_short_form_is_the_plug_in_with_its_defaults() -> None:
    Config = FeedEnvironment.Config
    assert Config(recommender="ease") == Config(recommender={"use": "ease"})
    assert Config.model_validate(Config(recommender="ease").model_dump()) == Config(
        recommender="ease"
    )
