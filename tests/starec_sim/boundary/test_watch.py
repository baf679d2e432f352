"""Calls that do not return: they are named, and one Ctrl-C ends them."""

import time

import pytest

from starec_sim.boundary import watch
from starec_sim.executors.event_loop import run_coroutine


class StuckError(Exception):
    """Raised where a call would go on for ever."""


def _until_named(capsys):
    """Return what is told about a call that blocks, as soon as it is told."""
    for _ in range(200):
        time.sleep(0.02)
        if told := capsys.readouterr().err:
            return told
    raise StuckError


@pytest.fixture(autouse=True)
def told_soon(monkeypatch):
    monkeypatch.setattr(watch, "TOLD_AFTER_S", 0.05)


def test_a_call_without_a_loop_is_named(capsys):
    with watch.watched_calls(), watch.watched_calls():
        call = watch.start_call("dataset mine.py:Mine", "load", str)
        told = _until_named(capsys)
        watch.leave_call(call)
    assert told.startswith("dataset mine.py:Mine, load() (")
    assert "has been running for" in told


def test_code_that_blocks_the_loop_is_named_by_its_line(capsys):
    async def block():
        with watch.watched_calls():
            return _until_named(capsys)

    told = run_coroutine(block())
    assert told.startswith("code that blocks all visits in _until_named (test_watch.py:")


def test_ctrl_c_ends_a_call_that_waits_in_the_operating_system(capsys):
    async def block():
        with watch.watched_calls():
            watch._interrupt_main_thread()  # the loop cancels its task, and the call goes on
            time.sleep(30)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_coroutine(block())
    assert time.monotonic() - start < 15
