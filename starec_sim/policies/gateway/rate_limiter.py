"""How hard an endpoint is asked: requests and tokens a minute, and calls under way at once.

All waiting is on the event loop's clock and changes when a call is made, never what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starec_sim.policies.settings import Limits

_BURST = 0.1
"""The share of a minute's permits that may be used at once."""


class Bucket:
    """A token bucket that never gives more than `per_minute` permits in any minute.

    It goes into debt: who takes more than there is waits until the debt is paid, so that a prompt
    larger than the bucket is served all the same.
    """

    def __init__(self, per_minute: float) -> None:
        self._burst = max(1.0, per_minute * _BURST)
        # A burst and a minute of refilling together are what a minute may have.
        self._per_s = max(per_minute - self._burst, per_minute / 2) / 60
        self._level = self._burst
        self._at = 0.0

    def take(self, amount: float, now: float) -> float:
        """Take permits and return for how many seconds to wait before using them."""
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s) - amount
        self._at = now
        return max(0.0, -self._level / self._per_s)

    def correct(self, amount: float) -> None:
        """Take further permits, or give back (less than nothing) what was not needed."""
        self._level -= amount


class RateLimiter:
    """The pace of one endpoint."""

    def __init__(self, limits: Limits, in_flight: int | None) -> None:
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        self._requests = Bucket(requests) if requests else None
        self._tokens = Bucket(tokens) if tokens else None
        self._seats = asyncio.Semaphore(in_flight) if in_flight else None
        self._quiet_until = 0.0

    def leave_alone(self, seconds: float) -> None:
        """Let nobody ask for a while, because the endpoint said so."""
        self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def turn(self, tokens: float) -> AsyncIterator[None]:
        """Wait until one may ask, and hold a seat while it is done.

        Args:
            tokens: What the call will probably need; `correct` it afterwards.
        """
        if self._seats is None:
            await self._wait(tokens)
            yield
            return
        async with self._seats:
            await self._wait(tokens)
            yield

    def correct(self, tokens: float) -> None:
        """Take or give back tokens, once it is known what a call needed."""
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
        while (quiet := self._quiet_until - loop.time()) > 0:
            await asyncio.sleep(quiet)
