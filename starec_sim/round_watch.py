"""Measure what the rounds of a dry run take: time, calls in flight, bytes of the record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from starec_sim.events import RunEvents
from starec_sim.policies.gateway.rate_limiter import RateLimiter
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.types import CallKey, FloatArray, Turn, Visit
from starec_sim.workers import compact


class InFlight(NamedTuple):
    """The calls of a round to one endpoint."""

    seconds: float
    """The time for which calls were in flight, summed over the calls."""
    most: int | None
    """The most calls in flight at once; None for no limit."""


class RoundCalls(NamedTuple):
    """The calls of policies in a round, summed."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    """Of the calls that have a price."""
    latency_s: float = 0.0
    """Of the calls that a model answered."""
    answered_by_model: int = 0
    """Calls that neither a cache nor a recording answered."""

    def plus(self, turn: Turn) -> RoundCalls:
        """Return these calls and one more."""
        by_model = turn.source == "model"
        return RoundCalls(
            self.calls + 1,
            self.tokens_in + (turn.tokens_in or 0),
            self.tokens_out + (turn.tokens_out or 0),
            self.usd + (turn.cost_usd or 0.0),
            self.latency_s + (turn.latency_s if by_model else 0.0),
            self.answered_by_model + by_model,
        )


class MeasuredRound(NamedTuple):
    """CPU seconds of a round, and its calls."""

    before: float
    """Of what begins a round, which is done for all its visitors."""
    visits: float
    recording: float
    """Of what one process does with each visit while others are played: it takes them from the
    workers, if there are any, and hashes and records them."""
    after: float
    """Of what ends a round, for the visits that are played: environment, metrics and record."""
    calls: RoundCalls
    in_flight: Sequence[InFlight]
    """One for each endpoint."""


class RoundWatch(RunEvents):
    """Measures the CPU time of rounds, by trial, and how long it takes on a busy machine.

    Args:
        workers: Whether the run that is planned has workers, which send visits to one process.
    """

    def __init__(self, workers: bool = False) -> None:
        self._workers = workers
        self.rounds: list[list[MeasuredRound]] = []
        self._recording_s = 0.0
        self._calls = RoundCalls()
        self._marks = [self._clocks()] * 3
        self._without_policies = np.zeros(2)
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
        cpu_s, wall_s = self._without_policies.tolist()
        return max(1.0, wall_s / cpu_s) if cpu_s else 1.0

    def recorder(self, store: Store, trial: int, session: Session) -> Recorder:
        """Return a recorder of a trial whose calls are counted and whose work is measured."""
        return _MeasuredRecorder(self, store, trial, session)

    def count(self, turn: Turn) -> None:
        """Count a call. It is not counted in the record, which may have no calls."""
        self._calls = self._calls.plus(turn)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Count what the block does as recording."""
        start = time.thread_time()
        try:
            yield
        finally:
            self._recording_s += time.thread_time() - start

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        """Begin a new list of rounds."""
        self.rounds.append([])
        self._marks = [self._clocks()] * 3

    def round_started(self, round: int, visitors: int) -> None:
        """Note that the visits begin."""
        self._bytes_before = self.record_bytes()
        self._marks[1:] = [self._clocks()] * 2

    def visit_finished(self, visit: Visit) -> None:
        """Note the end of what may be the last visit."""
        if self._workers:
            sent = compact.dumps(visit)  # a worker does this
            with self.recording():
                compact.loads(sent)
                compact.dumps(visit.steps[-1].memory)  # is sent to the worker of the next visit
        self._marks[2] = self._clocks()

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        """Note what the round took."""
        self.added_bytes += self.record_bytes() - self._bytes_before
        before, ready, over = self._marks
        now = self._clocks()
        begin, visits, end = ready - before, over - ready, now - over
        self._without_policies += (begin + end)[:2]
        cpu_s, recording_s = float(visits[0]), float(visits[2])
        self.rounds[-1].append(
            MeasuredRound(
                float(begin[0]),
                cpu_s - recording_s,
                recording_s,
                float(end[0]),
                self._calls,
                self._in_flight(),
            )
        )
        self._calls = RoundCalls()
        self._marks[0] = now

    def _in_flight(self) -> list[InFlight]:
        """Return the calls since this was last asked."""
        before, limiters = self._seconds_before, self.limiters()
        self._seconds_before = {limiter: limiter.in_flight_s for limiter in limiters}
        return [
            InFlight(limiter.in_flight_s - before.get(limiter, 0.0), limiter.in_flight)
            for limiter in limiters
        ]

    def _clocks(self) -> FloatArray:
        """Return CPU time of this process, wall time, and CPU time of recording, in seconds."""
        return np.array([time.process_time(), time.monotonic(), self._recording_s])


class _MeasuredRecorder(Recorder):
    """A recorder whose calls are counted, and whose work before a commit is measured.

    Args:
        watch: Counts and measures.
        store: The record of the run.
        trial: The number of the trial.
        session: Written with each commit.
    """

    def __init__(self, watch: RoundWatch, store: Store, trial: int, session: Session) -> None:
        super().__init__(store, trial, session)
        self._watch = watch

    def add(self, key: CallKey, turn: Turn) -> None:
        """Take a new turn; see `Recorder`."""
        self._watch.count(turn)
        super().add(key, turn)

    def take(self, visit: Visit) -> Visit:
        """Take a finished visit; see `Recorder`."""
        with self._watch.recording():
            return super().take(visit)

    def flush(self) -> None:
        """Commit the turns that are pending."""
        with self._watch.recording():
            super().flush()
