"""Who is answered together, and that nobody is harmed by anybody else."""

import asyncio
import threading
import time

import pytest

from starec_sim.policies.engine import Completion, Request, Sampling
from starec_sim.policies.engine.batcher import Batcher


class Echo:
    """An engine that answers with the prompt, and keeps what it was asked."""

    version, window = "echo", 1000

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.batches = []
        self.threads = set()
        self.released = threading.Event()
        self.released.set()

    def generate(self, requests):
        self.batches.append([request.prompt for request in requests])
        self.threads.add(threading.current_thread())
        self.released.wait(5)
        time.sleep(self.seconds)
        if any(request.prompt == (13,) for request in requests):
            raise ValueError("thirteen")
        answers = []
        for request in requests:
            finish = "length"
            for token in request.prompt:
                if request.watch(token):
                    finish = "stop"
                    break
            answers.append(Completion(request.prompt, (0.0,), finish, "echo"))
        return answers


def request(*prompt, watch=None):
    return Request(prompt, Sampling(1), watch)


@pytest.fixture
def engine():
    return Echo()


@pytest.fixture
def batcher(engine):
    # Patient, because a machine with much to do may pause a thread for longer than 5 ms.
    made = Batcher(engine, max_batch=8, wait_s=0.3)
    yield made
    made.close()


def ask_all(batcher, requests):
    async def run():
        return await asyncio.gather(*(batcher.ask(one) for one in requests))

    return [answer.ids for answer in asyncio.run(run())]


def test_requests_that_come_together_are_one_batch(batcher, engine):
    assert ask_all(batcher, [request(i) for i in range(5)]) == [(i,) for i in range(5)]
    assert [len(batch) for batch in engine.batches] == [5]


def test_no_batch_is_larger_than_its_limit(batcher, engine):
    ask_all(batcher, [request(i, 0) for i in range(20)])
    assert sorted(map(len, engine.batches)) == [4, 8, 8]


def test_equal_prompts_are_kept_together(batcher, engine):
    ask_all(batcher, [request(i % 3) for i in range(9)])
    first, second = engine.batches
    assert first == [(0,), (0,), (0,), (1,), (1,), (1,), (2,), (2,)]
    assert second == [(2,)]


def test_a_batch_waits_for_callers_that_are_still_busy(batcher, engine):
    async def user(turns):
        for _ in range(turns):
            await asyncio.sleep(0)
            time.sleep(0.0003)
        await batcher.ask(request(turns))

    async def run():
        await asyncio.gather(*(user(turns) for turns in (0, 1, 2, 4)))

    asyncio.run(run())
    assert [len(batch) for batch in engine.batches] == [4]


def test_a_batch_waits_for_callers_that_were_just_answered(batcher, engine):
    async def user(number):
        for step in range(3):
            await batcher.ask(request(number, step))
            time.sleep(0.0005)
            await asyncio.sleep(0)

    async def run():
        await asyncio.gather(*(user(number) for number in range(6)))

    asyncio.run(run())
    assert [len(batch) for batch in engine.batches] == [6, 6, 6]


def test_a_batch_does_not_wait_for_a_task_that_waits_for_something_else(batcher, engine):
    async def run():
        elsewhere = asyncio.ensure_future(asyncio.sleep(0.5))
        begun = time.monotonic()
        await batcher.ask(request(1))
        took = time.monotonic() - begun
        elsewhere.cancel()
        return took

    assert asyncio.run(run()) < 0.25


def test_in_a_loop_that_is_never_idle_a_batch_waits_only_so_long(batcher, engine):
    async def restless():
        while True:
            time.sleep(0.001)
            await asyncio.sleep(0)

    async def run():
        noise = asyncio.ensure_future(restless())
        begun = time.monotonic()
        await batcher.ask(request(1))
        took = time.monotonic() - begun
        noise.cancel()
        return took

    assert asyncio.run(run()) >= 0.3


def test_the_event_loop_is_not_blocked_by_the_engine():
    batcher, ticks = Batcher(Echo(seconds=0.3)), []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)

    async def run():
        ticking = asyncio.ensure_future(tick())
        await batcher.ask(request(1))
        ticking.cancel()

    asyncio.run(run())
    batcher.close()
    assert len(ticks) >= 5


def test_a_batch_does_not_wait_for_closed_loops(batcher):
    for number in range(20):
        ask_all(batcher, [request(number, i) for i in range(3)])
    begun = time.monotonic()
    ask_all(batcher, [request(99)])
    # Not the 0.3 s of patience: the one loop that is left was seen to be at rest.
    assert time.monotonic() - begun < 0.2
    assert len(batcher._busy) + len(batcher._answering) <= 2


def test_several_event_loops_and_plain_threads_share_one_engine(batcher, engine):
    answers = {}

    def loop(number):
        answers[number] = ask_all(batcher, [request(number, i) for i in range(3)])

    def plain(number):
        answers[number] = [batcher.ask_blocking(request(number)).ids]

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(3)]
    threads += [threading.Thread(target=plain, args=(n,)) for n in range(3, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert answers == {n: [(n, 0), (n, 1), (n, 2)] for n in range(3)} | {
        n: [(n,)] for n in range(3, 6)
    }
    assert [thread.name for thread in engine.threads] == ["starec-engine"]


def test_a_cancelled_caller_does_not_harm_the_others(batcher, engine):
    engine.released.clear()

    async def run():
        calls = [asyncio.ensure_future(batcher.ask(request(i, 0, 0))) for i in range(4)]
        while not engine.batches:
            await asyncio.sleep(0.01)
        calls[1].cancel()
        await asyncio.sleep(0)
        late = asyncio.ensure_future(batcher.ask(request(9)))
        await asyncio.sleep(0)
        late.cancel()
        engine.released.set()
        return await asyncio.gather(*calls, late, return_exceptions=True)

    done = asyncio.run(run())
    assert isinstance(done[1], asyncio.CancelledError)
    assert isinstance(done[4], asyncio.CancelledError)
    assert [done[at].ids[0] for at in (0, 2, 3)] == [0, 2, 3]
    # Whoever had left before the batch began is not in it.
    assert len(engine.batches) == 1


def test_the_completion_of_a_cancelled_caller_ends_at_the_next_token(batcher, engine):
    engine.released.clear()
    seen = []

    async def run():
        watched = request(*range(50), watch=lambda token: bool(seen.append(token)))
        call = asyncio.ensure_future(batcher.ask(watched))
        while not engine.batches:
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.sleep(0)
        engine.released.set()
        await batcher.ask(request(1))

    asyncio.run(run())
    assert seen == []


def test_a_failure_reaches_its_batch_and_the_next_batch_is_answered(batcher):
    async def run():
        return await asyncio.gather(
            batcher.ask(request(13)), batcher.ask(request(1)), return_exceptions=True
        )

    assert [str(error) for error in asyncio.run(run())] == ["thirteen", "thirteen"]
    assert batcher.ask_blocking(request(2)).ids == (2,)


def test_a_watcher_that_fails_fails_alone(batcher):
    def broken(token):
        raise KeyError(token)

    async def run():
        return await asyncio.gather(
            batcher.ask(request(1, watch=broken)), batcher.ask(request(2)), return_exceptions=True
        )

    failed, fine = asyncio.run(run())
    assert isinstance(failed, KeyError)
    assert fine.ids == (2,)


def test_weights_change_between_two_batches(batcher, engine):
    engine.released.clear()
    order = []

    async def run():
        call = asyncio.ensure_future(batcher.ask(request(1)))
        while not engine.batches:
            await asyncio.sleep(0.01)
        call.add_done_callback(lambda _: order.append("answered"))
        job = asyncio.to_thread(batcher.between_batches, lambda: order.append("changed"))
        change = asyncio.ensure_future(job)
        await asyncio.sleep(0.05)
        assert order == []
        engine.released.set()
        await asyncio.gather(call, change)

    asyncio.run(run())
    assert sorted(order) == ["answered", "changed"]


def test_a_job_that_fails_raises_for_its_caller(batcher):
    def broken():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        batcher.between_batches(broken)
    assert batcher.ask_blocking(request(1)).ids == (1,)


def test_closing_ends_the_thread_and_a_later_call_starts_another(batcher, engine):
    batcher.ask_blocking(request(1))
    (thread,) = engine.threads
    assert thread.is_alive()
    batcher.close()
    thread.join(5)
    assert not thread.is_alive()
    assert batcher.ask_blocking(request(2)).ids == (2,)
    assert len(engine.threads) == 2
