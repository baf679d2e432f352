"""How many calls of one endpoint are in flight: fewer after an overload, more again after answers.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain 1989). A server that
answers one call at a time is asked less at once after its first time-outs, so that the calls behind
them do not time out too.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from typing import NamedTuple


class PlaceTaken(NamedTuple):
    """What was so when a call took its place."""

    in_flight: int
    """Calls in flight, this one included."""
    answers: int
    lowerings: int


class Places:
    """Places for calls in flight. Who waits longest for an answer gets the next place.

    Args:
        most: The most places; None for no limit.
    """

    def __init__(self, most: int | None) -> None:
        self._most = math.inf if most is None else float(most)
        self._allowed = self._most
        self._taken, self._answers, self._lowerings = 0, 0, 0
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        """A heap of (order of the call, number, future)."""

    @property
    def allowed(self) -> float:
        """How many calls may be in flight now."""
        return self._allowed

    async def take(self, order: int) -> PlaceTaken:
        """Wait for a place.

        Args:
            order: The number of the call. A call that is repeated keeps it, and so its turn: after
                a time-out it does not wait behind calls that came later.
        """
        if self._waiting or self._taken + 1 > self._allowed:
            place = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (order, next(self._numbers), place))
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self.give_back()
                raise
        else:
            self._taken += 1
        return PlaceTaken(self._taken, self._answers, self._lowerings)

    def give_back(self) -> None:
        """Free the place of a call that has ended."""
        self._taken -= 1
        self._fill()

    def answered(self) -> None:
        """Count an answer: one more place after as many answers as there are places."""
        self._answers += 1
        if self._allowed < self._most:
            self._allowed = min(self._most, self._allowed + 1 / self._allowed)
            self._fill()

    def lower(self, taken: PlaceTaken, *, timed_out: bool) -> bool:
        """Allow half of the calls that are in flight, after one of them met an overload.

        After a time-out it is also no more than half of what was answered meanwhile: a server works
        on calls that were given up, too.

        Args:
            taken: What `take` returned to the call, which still has its place.
            timed_out: Whether the call timed out.

        Returns:
            Whether fewer calls are in flight than when this one began. If not, it is alone, or
            calls that came later were answered: then the fault lies with the call.
        """
        if taken.lowerings != self._lowerings:
            return True  # by another call that met the same overload
        answered = self._answers - taken.answers
        if self._taken <= 1 or (timed_out and answered >= taken.in_flight):
            return False
        fewer = min(self._taken, answered) if timed_out else self._taken
        self._allowed = float(max(1, fewer // 2))
        self._lowerings += 1
        return True

    def _fill(self) -> None:
        while self._waiting and self._taken + 1 <= self._allowed:
            place = heapq.heappop(self._waiting)[2]
            if not place.done():
                self._taken += 1
                place.set_result(None)
