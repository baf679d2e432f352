"""The bounded pool: order of results, bound, and cancellation after a failure."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import PolicyError
from starec_sim.executors.pool import run_pool


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 5))
def test_results_come_in_the_order_of_items_and_the_bound_is_kept(yields, concurrency):
    busy, most = 0, 0

    async def work(item):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(yields[item]):
            await asyncio.sleep(0)
        busy -= 1
        return item * 10

    found = asyncio.run(run_pool(work, range(len(yields)), concurrency))
    assert found == [item * 10 for item in range(len(yields))]
    assert most <= concurrency
    if yields and all(yields):
        assert most == min(concurrency, len(yields))


def test_the_first_failure_is_raised_and_the_others_are_cancelled():
    cancelled = []

    async def work(item):
        if item == 1:
            raise PolicyError("no answer", hint="")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(PolicyError, match="no answer") as failed:
        asyncio.run(run_pool(work, [0, 1, 2], 3))
    assert sorted(cancelled) == [0, 2]
    assert failed.value.__cause__ is None, "an error for the user needs no chain"


def test_a_defect_keeps_the_whole_story():
    async def work(item):
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0") as failed:
        asyncio.run(run_pool(work, [0], 1))
    assert isinstance(failed.value.__cause__, BaseExceptionGroup)
