"""The reward for ratings like people's is highest, in expectation, for people's own ratings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import ConfigError
from starec_sim.learning.rewards import AnswerOutcome, Rewards, ratings_like_people
from starec_sim.tasks import FEED, RANKING
from starec_sim.types import Action, Decision, Feedback, Observation

COMPONENT = "starec_sim.learning.rewards:ratings_like_people"
MOVIELENS = (0.06, 0.11, 0.27, 0.34, 0.22)
SHARES = st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(any)


def page(*stars, people=MOVIELENS, task=FEED):
    actions = tuple(Action(item, "watch", float(star)) for item, star in enumerate(stars))
    shown = Observation(task, tuple(range(len(stars) + 1)), ("card",) * (len(stars) + 1))
    decision = Decision(actions=(*actions, Action(len(stars))))
    return AnswerOutcome("fast", "", True, shown, decision, Feedback(()), people)


def expected(rated, people, ratings):
    """The exact expectation over pages whose ratings are drawn independently."""
    return sum(
        np.prod([rated[star - 1] for star in stars])
        * ratings_like_people(page(*stars, people=people))
        for stars in itertools.product(range(1, 6), repeat=ratings)
    )


@given(SHARES, SHARES, st.integers(2, 3))
def test_no_policy_earns_more_than_one_that_rates_as_people_do(people, other, ratings) -> None:
    people, other = (tuple((np.array(each) / sum(each)).tolist()) for each in (people, other))
    best = expected(people, people, ratings)
    assert best == pytest.approx(0, abs=1e-9)
    assert expected(other, people, ratings) <= best + 1e-9


def test_pages_of_one_kind_of_stars_earn_less() -> None:
    assert ratings_like_people(page(5, 5, 5)) < ratings_like_people(page(4, 4, 4)) < 0
    assert ratings_like_people(page(1, 1, 1)) < ratings_like_people(page(5, 5, 5))
    assert ratings_like_people(page(2, 3, 4, 5)) > ratings_like_people(page(4, 4, 4, 4))
    assert ratings_like_people(page()) == max(ratings_like_people(page(n)) for n in range(1, 6)) < 0


@given(st.lists(st.floats(1, 5), max_size=8))
def test_the_reward_is_between_that_of_a_malformed_answer_and_a_little_above_zero(stars) -> None:
    assert -1 <= ratings_like_people(page(*stars)) <= 0.5


def test_what_is_not_rated_with_stars_is_not_rewarded() -> None:
    assert ratings_like_people(page(5, task=RANKING)) == 0
    shown = Observation(FEED, (1,), ("one",))
    unread = Decision(flaws={"unparsed": 1})
    answer = AnswerOutcome("fast", "?", False, shown, unread, Feedback(()), MOVIELENS)
    assert ratings_like_people(answer) == -1


def test_a_training_knows_the_stars_of_its_data() -> None:
    rewards = Rewards({COMPONENT: 0.5}, people=MOVIELENS)
    total, parts = rewards.of(page(5, 5, people=()), "user u1")
    assert total == pytest.approx(0.5 * ratings_like_people(page(5, 5)))
    assert list(parts) == [COMPONENT]
    with pytest.raises(ConfigError, match="there is no data with ratings"):
        Rewards({COMPONENT: 0.5})
