"""The rate limiter of an endpoint: requests and tokens a minute, and calls in flight at once.

All waiting is on the event loop's clock. It changes when a call is made, and never what it says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starec_sim.policies.gateway.places import Places, PlaceTaken
from starec_sim.policies.settings import Limits

_BURST = 0.1
"""The share of a minute's permits that may be used at once."""


class Bucket:
    """A token bucket that never gives more than `per_minute` permits in any minute.

    Its level may fall below zero: who takes more permits than there are waits until the level is
    back at zero. So a prompt that is larger than the whole bucket is served too.
    """

    def __init__(self, per_minute: float) -> None:
        self._burst = max(1.0, per_minute * _BURST)
        # In any minute a caller can use a full bucket and what is refilled in that minute.
        self._per_s = max(per_minute - self._burst, per_minute / 2) / 60
        self._level = self._burst
        self._at = 0.0

    def take(self, amount: float, now: float) -> float:
        """Take permits and return how many seconds to wait before they may be used."""
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s) - amount
        self._at = now
        return max(0.0, -self._level / self._per_s)

    def correct(self, amount: float) -> None:
        """Take more permits, or return permits that were not needed (a negative amount)."""
        self._level -= amount


class RateLimiter:
    """Delays calls to one endpoint so that they keep its limits.

    Args:
        limits: Requests and tokens a minute.
        in_flight: The most calls at once; None for no limit.
    """

    def __init__(self, limits: Limits, in_flight: int | None) -> None:
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        self._requests = Bucket(requests) if requests else None
        self._tokens = Bucket(tokens) if tokens else None
        self.places = Places(in_flight)
        self.in_flight = in_flight
        """The most calls at once; None for no limit."""
        self.in_flight_s = 0.0
        """The time for which calls were in flight, summed over the calls, without their waits."""
        self._closed_until = 0.0

    def close_for(self, seconds: float) -> None:
        """Delay all calls for a while: the endpoint asked for it (`Retry-After`)."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def slot(self, tokens: float, order: int) -> AsyncIterator[PlaceTaken]:
        """Wait until a call may be made, and count it as in flight while it is.

        Args:
            tokens: How many the call will probably need; `correct` it when that is known.
            order: The number of the call, see `Places.take`.
        """
        taken = await self.places.take(order)
        try:
            await self._wait(tokens)
            start = time.monotonic()
            try:
                yield taken
            finally:
                self.in_flight_s += time.monotonic() - start
        finally:
            self.places.give_back()

    def correct(self, tokens: float) -> None:
        """Count more tokens, or fewer (a negative number), once the call's need is known."""
        if self._tokens:
            self._tokens.correct(tokens)

    async def _wait(self, tokens: float) -> None:
        loop = asyncio.get_running_loop()
        wait = 0.0
        if self._requests:
            wait = self._requests.take(1, loop.time())
        if self._tokens:
            wait = max(wait, self._tokens.take(tokens, loop.time()))
        if wait > 0:
            await asyncio.sleep(wait)
        while (closed := self._closed_until - loop.time()) > 0:
            await asyncio.sleep(closed)
