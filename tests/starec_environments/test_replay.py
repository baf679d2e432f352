"""What a replay reveals, and what a ranking earns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_environments.replay import Replay, reward, tier
from starec_sim.holdout.user_logs import UserLog
from starec_sim.types import Decision

LOG = UserLog(row=0, start=0, items=np.arange(10, 20), ratings=np.full(10, 4.0))


def test_each_choice_reveals_the_log_up_to_itself_and_the_last_one_up_to_the_end():
    replay = Replay(LOG, choices=(3, 5), end=9)
    assert [replay.known(number) for number in range(3)] == [3, 4, 9]
    assert [replay.target(number) for number in range(2)] == [13, 15]


def test_without_choices_everything_up_to_the_end_is_known_from_the_start():
    assert Replay(LOG, choices=(), end=9).known(0) == 9


def test_a_reward_has_the_tier_and_the_gain_of_the_rank():
    earned = reward(Decision((7, 8, 9), 3), 8, 20)
    assert earned == {"tier": 0.5, "ndcg": pytest.approx(1 / np.log2(3))}
    assert reward(Decision((7, 8, 9), 1), 8, 20) == {"tier": -1.0, "ndcg": 0.0}


def test_the_tier_of_the_paper() -> None:
    ranks = (1, 2, 5, 6, 10, 11, 20, None)
    assert [tier(rank, 20) for rank in ranks] == [1.0, 0.5, 0.5, 0.0, 0.0, -0.5, -0.5, -1.0]


def test_tiers_scale_to_other_counts() -> None:
    assert [tier(rank, 10) for rank in range(1, 11)] == [1.0, 0.5, 0.5, 0, 0, *[-0.5] * 5]
    assert [tier(rank, 2) for rank in (1, 2)] == [1.0, -0.5]


@settings(deadline=None)
@given(candidates=st.integers(2, 500), data=st.data())
def test_a_better_rank_never_earns_less_and_any_rank_more_than_none(candidates, data) -> None:
    rank = data.draw(st.integers(1, candidates))
    assert tier(rank, candidates) >= tier(min(rank + 1, candidates), candidates)
    assert tier(rank, candidates) > tier(None, candidates)
    assert tier(1, candidates) == 1.0
