"""Places for calls in flight: fewer after an overload, more again after answers."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from starec_sim.policies.gateway.places import Places


def taken(places, count):
    async def take():
        return [await places.take(order) for order in range(count)]

    return asyncio.run(take())


def test_a_time_out_among_many_leaves_half_of_what_was_answered():
    places = Places(64)
    begun = taken(places, 20)
    for _ in range(6):
        places.give_back()
        places.answered()
    assert places.lower(begun[-1], timed_out=True)
    assert places.allowed == 3


def test_calls_that_met_the_same_overload_lower_it_once():
    places = Places(None)
    begun = taken(places, 20)
    assert all(places.lower(each, timed_out=False) for each in begun)
    assert places.allowed == 10


def test_a_call_alone_and_one_that_was_overtaken_lower_nothing():
    alone = Places(8)
    assert not alone.lower(taken(alone, 1)[0], timed_out=True)
    overtaken = Places(8)
    first, *_ = taken(overtaken, 2)
    for _ in range(2):
        overtaken.answered()
    assert not overtaken.lower(first, timed_out=True)
    assert (alone.allowed, overtaken.allowed) == (8, 8)


def test_answers_bring_places_back_up_to_the_limit_and_no_further():
    places = Places(4)
    begun = taken(places, 4)
    places.lower(begun[0], timed_out=True)
    assert places.allowed == 1
    places.answered()
    assert places.allowed == 2
    for _ in range(20):
        places.answered()
    assert places.allowed == 4


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=30),
)
def test_no_more_are_in_flight_than_allowed_and_everybody_is_served_in_order(most, calls):
    places, served = Places(most), []
    begun = {"now": 0}

    async def call(number, order, overloaded, cancelled):
        place = await places.take(order)
        begun["now"] += 1
        assert begun["now"] <= most
        served.append(number)
        await asyncio.sleep(0)
        if overloaded:
            places.lower(place, timed_out=False)
        else:
            places.answered()
        begun["now"] -= 1
        places.give_back()

    async def play():
        tasks = [asyncio.create_task(call(number, *each)) for number, each in enumerate(calls)]
        await asyncio.sleep(0)
        for task, (_, _, cancelled) in zip(tasks, calls, strict=True):
            if cancelled and not (task.done() or served.count(tasks.index(task))):
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # All places are free again: none is lost with a call that was cancelled.
        await asyncio.wait_for(places.take(0), 1)

    asyncio.run(play())
    kept = [number for number, (_, _, cancelled) in enumerate(calls) if not cancelled]
    assert set(kept) <= set(served)
