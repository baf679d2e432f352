"""What a run has spent on calls, and whether it may make another.

A run that has to pause waits for the calls in flight: they are paid for, and their answers are
kept. So it never spends more than its budget and the calls in flight.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from starec_sim.errors import PausedError
from starec_sim.policies.settings import Budget


@dataclass(frozen=True, slots=True)
class Spent:
    """An amount that was spent."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    """Of wall time."""

    def __add__(self, other: Spent) -> Spent:
        """Return both amounts together."""
        return Spent(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.usd + other.usd,
            self.seconds + other.seconds,
        )


class BudgetGuard:
    """Admits calls until the budget is spent, or until the run has to pause for another reason.

    Args:
        budget: The most that the run may spend.
        before: What its earlier processes have spent of it.
        clock: Returns seconds.
    """

    def __init__(
        self,
        budget: Budget,
        before: Spent = Spent(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self._before = before
        self._elsewhere = Spent()
        self._clock = clock
        self._began = clock()
        self._calls, self._tokens, self._usd = 0, 0, 0.0
        self._in_flight = 0
        self._none_in_flight = asyncio.Event()
        self._paused: PausedError | None = None

    def spent(self) -> Spent:
        """Return what this process has spent so far."""
        return Spent(self._calls, self._tokens, self._usd, self._clock() - self._began)

    async def admit(self) -> None:
        """Admit one call; `finish` must follow.

        Raises:
            PausedError: The budget is spent, or the run is pausing already.
        """
        if self._paused is None and (reached := self._limit_reached()) is not None:
            await self.pause(reached)
        if self._paused is not None:
            await self.pause(self._paused)
        self._calls += 1
        self._in_flight += 1

    def finish(self, tokens: int = 0, usd: float = 0.0) -> None:
        """Count an admitted call that has ended, with or without an answer."""
        self._tokens += tokens
        self._usd += usd
        self._in_flight -= 1
        if not self._in_flight:
            self._none_in_flight.set()

    def add(self, spent: Spent) -> None:
        """Count what was spent in another process of the run."""
        self._calls += spent.calls
        self._tokens += spent.tokens
        self._usd += spent.usd

    def spend_elsewhere(self, spent: Spent) -> None:
        """Count what other runs have spent of this budget so far, as the audits of a training.

        It is not written down as spent by this run, and its time passes here as well.
        """
        self._elsewhere = replace(spent, seconds=0.0)

    def left_for(self, before: Spent) -> Budget:
        """Return the budget of another run that may spend what is left of this one.

        Args:
            before: What that run has spent; it is counted as spent elsewhere.
        """
        budget, total = self._budget, self._total()

        def limit(allowed: float | None, spent: float, before: float) -> float | None:
            return None if allowed is None else before + max(0, allowed - spent)

        values = {
            "calls": limit(budget.calls, total.calls, before.calls),
            "tokens": limit(budget.tokens, total.tokens, before.tokens),
            "usd": limit(budget.usd, total.usd, before.usd),
            "hours": limit(budget.hours, total.seconds / 3600, before.seconds / 3600),
        }
        return Budget.model_validate(values)

    def check(self) -> None:
        """Refuse to go on if the budget is spent.

        Raises:
            PausedError: It is.
        """
        if (reached := self._limit_reached()) is not None:
            raise reached

    def tokens_unknown(self, policy: str) -> None:
        """Admit no more calls if the budget limits tokens or USD: this policy reports no tokens."""
        for key, limit in (("tokens", self._budget.tokens), ("usd", self._budget.usd)):
            if limit is not None and self._paused is None:
                calls = self._before.calls + self._calls
                self._paused = PausedError(
                    f'the policy "{policy}" reports no tokens: budget.{key} cannot be held to',
                    hint="limit budget.calls or budget.hours instead",
                    reason="budget",
                    options=f"--budget {key}=none --budget calls={calls + 1000}",
                )

    async def pause(self, why: PausedError) -> NoReturn:
        """Admit no more calls, wait for those in flight, and raise.

        Raises:
            PausedError: The first reason that was given, by any caller.
        """
        if self._paused is None:
            self._paused = why
        while self._in_flight:
            self._none_in_flight.clear()
            await self._none_in_flight.wait()
        raise self._paused

    def _total(self) -> Spent:
        return self._before + self._elsewhere + self.spent()

    def _limit_reached(self) -> PausedError | None:
        budget, total = self._budget, self._total()
        for key, limit, spent in (
            ("calls", budget.calls, total.calls),
            ("tokens", budget.tokens, total.tokens),
            ("usd", budget.usd, total.usd),
            ("hours", budget.hours, total.seconds / 3600),
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
