"""No endpoint is asked harder than its limits say, and no run spends more than its budget."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import PausedError
from starec_sim.policies.gateway.budget_guard import BudgetGuard, Spent
from starec_sim.policies.gateway.rate_limiter import Bucket
from starec_sim.policies.settings import Budget


@given(
    st.integers(2, 1000),
    st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=200),
)
def test_no_minute_has_more_requests_than_its_limit(per_minute, pauses):
    bucket, now, served = Bucket(per_minute), 0.0, []
    for pause in pauses:
        now += pause
        now += bucket.take(1, now)
        served.append(now)
    for start in served:
        # A request at the very end of the minute is forgiven its rounding.
        assert sum(start <= at < start + 59.999 for at in served) <= per_minute + 1


def test_a_call_larger_than_the_bucket_is_served_and_the_next_one_waits():
    bucket = Bucket(600)
    assert bucket.take(500, 0.0) > 0
    assert bucket.take(1, 0.0) >= 48


def test_tokens_that_were_not_needed_are_given_back():
    bucket = Bucket(600)
    bucket.take(60, 0.0)
    bucket.correct(-60)
    assert bucket.take(60, 0.0) == 0


def enter(traffic, times):
    async def run():
        for _ in range(times):
            await traffic.admit()
            traffic.finish(tokens=100, usd=0.5)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("budget", "calls", "options"),
    [
        (Budget(calls=3), 3, "--budget calls=6"),
        (Budget(tokens=250), 3, "--budget tokens=600"),
        (Budget(usd=1.2), 3, "--budget usd=3"),
    ],
    ids=["calls", "tokens", "usd"],
)
def test_a_budget_that_is_spent_lets_nobody_through(budget, calls, options):
    traffic = BudgetGuard(budget)
    enter(traffic, calls)
    with pytest.raises(PausedError, match="the budget is spent") as raised:
        enter(traffic, 1)
    assert (raised.value.reason, raised.value.options) == ("budget", options)
    assert traffic.spent().calls == calls


def test_what_earlier_processes_spent_counts():
    traffic = BudgetGuard(Budget(calls=10), Spent(calls=9))
    enter(traffic, 1)
    with pytest.raises(PausedError, match="calls 10 of 10"):
        enter(traffic, 1)


def test_hours_are_counted_over_all_processes():
    now = [0.0]
    traffic = BudgetGuard(Budget(hours=1), Spent(seconds=3000), lambda: now[0])
    enter(traffic, 1)
    now[0] = 601.0
    with pytest.raises(PausedError, match="hours 1 of 1"):
        enter(traffic, 1)


def test_a_policy_that_counts_no_tokens_cannot_be_held_to_a_budget_of_them():
    traffic = BudgetGuard(Budget(tokens=1000))
    traffic.tokens_unknown("mute")
    with pytest.raises(PausedError, match='"mute" reports no tokens'):
        enter(traffic, 1)
    free = BudgetGuard(Budget(calls=10))
    free.tokens_unknown("mute")
    enter(free, 1)


def test_whoever_is_under_way_comes_home_before_anybody_hears_of_the_stop():
    traffic, order = BudgetGuard(Budget(calls=1)), []

    async def call():
        await traffic.admit()
        await asyncio.sleep(0.01)
        traffic.finish()
        order.append("home")

    async def refused():
        await asyncio.sleep(0)
        with pytest.raises(PausedError):
            await traffic.admit()
        order.append("refused")

    async def together():
        await asyncio.gather(call(), refused())

    asyncio.run(together())
    assert order == ["home", "refused"]
