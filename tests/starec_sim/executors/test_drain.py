"""SIGTERM: what is in progress ends, nothing else begins, and a second one stops at once."""

import asyncio
import signal

import pytest

from starec_sim.errors import PausedError
from starec_sim.executors import drain
from starec_sim.executors.pool import run_pool


def test_items_in_progress_end_and_no_other_begins():
    ended = []

    async def work(item):
        if item == 2:
            signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        ended.append(item)

    with drain.drains_at_sigterm(), pytest.raises(PausedError, match="SIGTERM") as paused:
        asyncio.run(run_pool(work, range(9), 3))
    assert sorted(ended) == [0, 1, 2]
    assert paused.value.reason == "stopped"
    assert not drain.draining(), "the next run begins anew"


def test_what_does_not_end_in_time_is_cancelled(monkeypatch):
    monkeypatch.setattr(drain, "DRAIN_S", 0)
    monkeypatch.setattr(drain, "_LOOK_S", 0)

    async def visits():
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(3600)

    with drain.drains_at_sigterm(), pytest.raises(PausedError):
        asyncio.run(drain.drained_in_time(visits()))


def test_an_audit_in_a_training_leaves_the_signal_to_the_training():
    before = signal.getsignal(signal.SIGTERM)
    with drain.drains_at_sigterm():
        with drain.drains_at_sigterm():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(PausedError, match="SIGTERM"):
            drain.stop_if_draining()
    drain.stop_if_draining()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_sigterm_does_what_ctrl_c_does():
    async def visits():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(3600)

    with drain.drains_at_sigterm(), pytest.raises(KeyboardInterrupt):
        asyncio.run(drain.drained_in_time(visits()))


def test_it_does_so_in_the_background_of_a_script_too_where_ctrl_c_is_ignored():
    async def visits():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(3600)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with drain.drains_at_sigterm(), pytest.raises(KeyboardInterrupt):
            asyncio.run(drain.drained_in_time(visits()))
    finally:
        signal.signal(signal.SIGINT, before)
