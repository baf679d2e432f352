"""The calls under way, what the run has spent, and the one reason to let no more through.

A run that has to stop lets the calls under way come home first: they are paid for, and their
answers are kept. So it is never overspent by more than the calls in flight.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from starec_sim.errors import PausedError
from starec_sim.policies.settings import Budget


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    """Of wall time."""


class BudgetGuard:
    """Lets calls through while there is budget for them.

    Args:
        budget: What the run may spend in all.
        before: What its earlier processes have spent of it.
        clock: Tells seconds.
    """

    def __init__(
        self,
        budget: Budget,
        before: Spent = Spent(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self._before = before
        self._clock = clock
        self._began = clock()
        self._calls, self._tokens, self._usd = 0, 0, 0.0
        self._in_flight = 0
        self._home = asyncio.Event()
        self._stopped: PausedError | None = None

    def spent(self) -> Spent:
        """Return what this process has spent so far."""
        return Spent(self._calls, self._tokens, self._usd, self._clock() - self._began)

    async def enter(self) -> None:
        """Let one call through.

        Raises:
            PausedError: The budget is spent, or the run is stopping for another reason.
        """
        if self._stopped is None and (reached := self._reached()) is not None:
            await self.stop(reached)
        if self._stopped is not None:
            await self.stop(self._stopped)
        self._calls += 1
        self._in_flight += 1

    def leave(self, tokens: int = 0, usd: float = 0.0) -> None:
        """Count a call that has come home, with or without an answer."""
        self._tokens += tokens
        self._usd += usd
        self._in_flight -= 1
        if not self._in_flight:
            self._home.set()

    def cannot_count(self, policy: str) -> None:
        """Let nobody through any more if a policy says nothing of tokens and the budget does."""
        for key in ("tokens", "usd"):
            if getattr(self._budget, key) is not None and self._stopped is None:
                calls = self._before.calls + self._calls
                self._stopped = PausedError(
                    f'the policy "{policy}" reports no tokens: budget.{key} cannot be held to',
                    hint="limit budget.calls or budget.hours instead",
                    reason="budget",
                    options=f"--budget {key}=none --budget calls={calls + 1000}",
                )

    async def stop(self, why: PausedError) -> NoReturn:
        """Let nobody through any more, wait for those under way, and raise.

        Raises:
            PausedError: The first reason that anybody gave.
        """
        if self._stopped is None:
            self._stopped = why
        while self._in_flight:
            self._home.clear()
            await self._home.wait()
        raise self._stopped

    def _reached(self) -> PausedError | None:
        budget, before, now = self._budget, self._before, self.spent()
        hours = (before.seconds + now.seconds) / 3600
        for key, limit, spent in (
            ("calls", budget.calls, before.calls + now.calls),
            ("tokens", budget.tokens, before.tokens + now.tokens),
            ("usd", budget.usd, before.usd + now.usd),
            ("hours", budget.hours, hours),
        ):
            if limit is not None and spent >= limit:
                return PausedError(
                    f"the budget is spent: {key} {_number(spent)} of {_number(limit)}",
                    hint="allow more in all; what is spent already counts as well",
                    reason="budget",
                    options=f"--budget {key}={_number(2 * max(limit, spent) or 1, separator='')}",
                )
        return None


def _number(value: float, separator: str = ",") -> str:
    return f"{value:{separator}}" if isinstance(value, int) else f"{value:{separator}.4g}"
