"""Measure what the rounds of a dry run take: time, calls in flight, bytes of the record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from starec_sim.events import RunEvents
from starec_sim.policies.gateway.rate_limiter import RateLimiter
from starec_sim.types import FloatArray, Visit


class InFlight(NamedTuple):
    """The calls of a round to one endpoint."""

    seconds: float
    """The time for which calls were in flight, summed over the calls."""
    most: int | None
    """The most calls in flight at once; None for no limit."""


class RoundTimes(NamedTuple):
    """CPU seconds of a round."""

    visits: float
    overhead: float
    """Of the environment and the record."""
    in_flight: Sequence[InFlight] = ()
    """One for each endpoint."""


class RoundWatch(RunEvents):
    """Measures the CPU time of rounds, by trial, and how long it takes on a busy machine."""

    def __init__(self) -> None:
        self.rounds: list[list[RoundTimes]] = []
        self._marks = [_clocks()] * 3
        self._alone = np.zeros(2)
        """CPU time and wall time in which no policy is asked."""
        self.record_bytes: Callable[[], int] = int
        """Returns the size of the record."""
        self.added_bytes = 0
        """By the rounds of all trials."""
        self._bytes_before = 0
        self.limiters: Callable[[], Sequence[RateLimiter]] = list
        """Returns the rate limiters of the policies."""
        self._seconds_before: dict[RateLimiter, float] = {}

    def slowdown(self) -> float:
        """Return wall time by CPU time where no policy is asked; at least 1."""
        cpu_s, wall_s = self._alone.tolist()
        return max(1.0, wall_s / cpu_s) if cpu_s else 1.0

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        """Begin a new list of rounds."""
        self.rounds.append([])
        self._marks = [_clocks()] * 3

    def round_started(self, round: int, visitors: int) -> None:
        """Note that the visits begin."""
        self._bytes_before = self.record_bytes()
        self._marks[1:] = [_clocks()] * 2

    def visit_finished(self, visit: Visit) -> None:
        """Note the end of what may be the last visit."""
        self._marks[2] = _clocks()

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        """Note what the round took."""
        self.added_bytes += self.record_bytes() - self._bytes_before
        before, ready, over = self._marks
        now = _clocks()
        visits = over - ready
        alone = now - before - visits
        self._alone += alone
        self.rounds[-1].append(RoundTimes(float(visits[0]), float(alone[0]), self._in_flight()))
        self._marks[0] = now

    def _in_flight(self) -> list[InFlight]:
        """Return the calls since this was last asked."""
        before, limiters = self._seconds_before, self.limiters()
        self._seconds_before = {limiter: limiter.in_flight_s for limiter in limiters}
        return [
            InFlight(limiter.in_flight_s - before.get(limiter, 0.0), limiter.in_flight)
            for limiter in limiters
        ]


def _clocks() -> FloatArray:
    """Return the CPU time of this process and the wall time, in seconds."""
    return np.array([time.process_time(), time.monotonic()])
