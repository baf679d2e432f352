"""Tell pages that a run has grown, as server-sent events."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starec_sim.errors import StarecError
from starec_sim.runs.manifest import MANIFEST, read_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.schema import FILE

EVERY_S = 1.0
SHARE = 0.03
"""Of one processor's time, what answers to pages that load again by themselves may take."""
_ALIVE_EVERY = 15
"""Looks after which a comment is sent, so that a page that has gone is noticed."""


async def events(
    state: Callable[[], Any],
    stopping: Callable[[], bool],
    spent_s: Callable[[], float] = lambda: 0.0,
    every_s: float = EVERY_S,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[str]:
    """Yield an event when a state has changed; pages then load again.

    The next event waits until what was spent since the last one is `SHARE` of the time between
    them: the page of a large run takes seconds to make. A change of a run's status is told at once.

    Args:
        state: Returns it; runs in a thread.
        stopping: Whether the server ends.
        spent_s: CPU seconds that the server has spent on answers so far.
        every_s: How often the state is read.
        clock: Returns the time in seconds.
    """
    before = await asyncio.to_thread(state)
    told, spent = clock(), spent_s()
    looks = 0
    yield ": open\n\n"
    while not stopping():
        await asyncio.sleep(every_s)
        looks += 1
        now = await asyncio.to_thread(state)
        due = spent_s() - spent <= SHARE * (clock() - told) or _status(now) != _status(before)
        if now != before and due:
            before, told, spent = now, clock(), spent_s()
            yield f"data: {json.dumps(now)}\n\n"
        elif looks % _ALIVE_EVERY == 0:
            yield ": nothing new\n\n"


def _status(state: Any) -> Any:
    """Return the status in the state of a run; None for the list of runs."""
    return state.get("status") if isinstance(state, dict) else None


class RunState:
    """What of a run makes its pages load again: its status and the rounds that are committed.

    The record is opened only when one of its files has changed.

    Args:
        folder: The run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: object = None
        self._rounds = 0

    def __call__(self) -> Any:
        """Return the state as JSON values."""
        seen = [_changed(self._folder / f"{FILE}{end}") for end in ("", "-wal")]
        try:
            if seen != self._seen:
                with reading(self._folder) as reader:
                    self._rounds = sum(trial.rounds for trial in reader.trials())
                self._seen = seen
            status: str = read_manifest(self._folder).status
        except StarecError as error:  # it has not begun, or is damaged: the page says it
            status = error.message
        return {"run": self._folder.name, "rounds_done": self._rounds, "status": status}


def list_state(runs_dir: Path) -> Any:
    """Return what of a folder of runs makes the list load again."""
    try:
        names = sorted(entry.name for entry in os.scandir(runs_dir))
    except OSError:
        names = []
    return [[name, _changed(runs_dir / name / MANIFEST)] for name in names]


def _changed(path: Path) -> list[int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return [about.st_mtime_ns, about.st_size]
