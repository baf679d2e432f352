"""No run spends more than its budget and the calls in flight."""

import asyncio

import pytest

from starec_sim.errors import PausedError
from starec_sim.policies.gateway.budget_guard import BudgetGuard, Spent
from starec_sim.policies.settings import Budget


def call(guard, times):
    async def run():
        for _ in range(times):
            await guard.admit()
            guard.finish(tokens=100, usd=0.5)

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
def test_a_budget_that_is_spent_admits_no_call(budget, calls, options):
    guard = BudgetGuard(budget)
    call(guard, calls)
    with pytest.raises(PausedError, match="the budget is spent") as raised:
        call(guard, 1)
    assert (raised.value.reason, raised.value.options) == ("budget", options)
    assert guard.spent().calls == calls


def test_what_earlier_processes_spent_counts():
    guard = BudgetGuard(Budget(calls=10), Spent(calls=9))
    call(guard, 1)
    with pytest.raises(PausedError, match="calls 10 of 10"):
        call(guard, 1)


def test_another_run_gets_what_is_left_and_what_it_spends_counts():
    guard = BudgetGuard(Budget(calls=10, usd=4, hours=1), Spent(calls=4, usd=2, seconds=1800))
    call(guard, 1)
    guard.spend_elsewhere(Spent(calls=3, usd=0.5, seconds=900))
    left = guard.left_for(Spent(calls=3, usd=0.5, seconds=900))
    assert (left.calls, left.tokens, left.usd) == (3 + 2, None, 0.5 + 1)
    assert left.hours == pytest.approx(0.25 + 0.5, abs=0.01), "its time passes here as well"
    guard.check()
    guard.spend_elsewhere(Spent(calls=5, usd=0.5))
    assert guard.left_for(Spent(calls=5)).calls == 5
    with pytest.raises(PausedError, match="calls 10 of 10"):
        guard.check()
    assert guard.spent().calls == 1, "only its own calls are written down"


def test_hours_are_counted_over_all_processes():
    now = [0.0]
    guard = BudgetGuard(Budget(hours=1), Spent(seconds=3000), lambda: now[0])
    call(guard, 1)
    now[0] = 601.0
    with pytest.raises(PausedError, match="hours 1 of 1"):
        call(guard, 1)


def test_a_policy_that_reports_no_tokens_cannot_be_held_to_a_budget_of_tokens():
    guard = BudgetGuard(Budget(tokens=1000))
    guard.tokens_unknown("mute")
    with pytest.raises(PausedError, match='"mute" reports no tokens'):
        call(guard, 1)
    free = BudgetGuard(Budget(calls=10))
    free.tokens_unknown("mute")
    call(free, 1)


def test_calls_in_flight_end_before_the_pause_is_raised():
    guard, order = BudgetGuard(Budget(calls=1)), []

    async def in_flight():
        await guard.admit()
        await asyncio.sleep(0.01)
        guard.finish()
        order.append("ended")

    async def refused():
        await asyncio.sleep(0)
        with pytest.raises(PausedError):
            await guard.admit()
        order.append("refused")

    async def together():
        await asyncio.gather(in_flight(), refused())

    asyncio.run(together())
    assert order == ["ended", "refused"]
