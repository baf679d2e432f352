"""The line to one endpoint: attempts, their time-out and pace, and the circuit breaker.

This is the one place where a call is repeated. SDKs can do that too, each in its own way and out of
sight: their retries know no budget, are not in the ledger, and hold a seat while they wait; and
when one call is told to come back in ten seconds, the other 63 go on knocking. So our `openai`
policy asks its SDK for a single attempt, and so should a chat model of your own (`max_retries=0`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from langchain_core.messages import BaseMessage, HumanMessage

from starec_sim.errors import PausedError, PolicyError, StarecError
from starec_sim.policies.gateway.budget_guard import BudgetGuard
from starec_sim.policies.gateway.failures import explained
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.rate_limiter import RateLimiter
from starec_sim.policies.gateway.reply import Outcome, Reply, guessed_tokens, read
from starec_sim.policies.settings import GatewaySettings

_LONGEST_WAIT_S = 60.0
_LONGEST_RETRY_AFTER_S = 900.0
"""An endpoint that wants to be left alone for longer is as good as closed."""
_PROBE = "Answer with one word: ready"
_NEWEST = 0.1
"""Weight of the newest answer in the mean length of answers."""


class EndpointClient:
    """Asks one policy."""

    def __init__(
        self, policy: Policy, pace: RateLimiter, settings: GatewaySettings, traffic: BudgetGuard
    ) -> None:
        self._policy = policy
        self._pace = pace
        self._settings = settings
        self._traffic = traffic
        self._answered_at = 0.0
        """When an answer came last, on the event loop's clock."""
        self._probing = asyncio.Lock()
        self._written = 0.0
        """Tokens of an answer, a moving mean: what a call will probably write."""

    async def ask(
        self,
        messages: Sequence[BaseMessage],
        options: Mapping[str, Any],
        *,
        prompt_tokens: float,
        jitter: float,
    ) -> Outcome:
        """Ask until there is an answer, or until there will be none.

        Args:
            messages: The question.
            options: Keywords of the call.
            prompt_tokens: How many tokens the question has, guessed.
            jitter: Between 0 and 1; spreads the retries of calls that failed together.

        Raises:
            PausedError: The budget is spent, or the endpoint answers nobody.
            StarecError: What the model itself found wrong with its configuration.
        """
        settings, clock = self._settings, asyncio.get_running_loop().time
        for attempt in range(settings.retries + 1):
            try:
                reply = await self._attempt(messages, options, prompt_tokens)
            except PolicyError as error:
                failed, since = error, clock()
            else:
                return Outcome(reply, "", attempt + 1)
            rest = failed.retry_after_s
            if failed.cause == "closed" or (rest or 0) > _LONGEST_RETRY_AFTER_S:
                await self._pause(failed)
            if rest is not None:
                self._pace.leave_alone(rest)
            if failed.cause == "refused" or attempt == settings.retries:
                break
            wait = min(_LONGEST_WAIT_S, settings.backoff_s * 2**attempt)
            await asyncio.sleep(wait * (1 + jitter) / 2)
        # A request that is refused is answered, in a way: it is enough that others ever were.
        await self._prove(failed, 0.0 if failed.cause == "refused" else since)
        return Outcome(None, _told(failed, attempt + 1), attempt + 1)

    async def _attempt(
        self, messages: Sequence[BaseMessage], options: Mapping[str, Any], prompt_tokens: float
    ) -> Reply:
        expected = prompt_tokens + self._written
        async with self._pace.turn(expected):
            await self._traffic.enter()
            used, usd = 0, 0.0
            try:
                async with asyncio.timeout(self._settings.timeout_s) as timeout:
                    message = await self._policy.model.ainvoke(list(messages), **options)
                reply = read(message, self._policy.name)
                self._answered_at = asyncio.get_running_loop().time()
                if reply.tokens_in is not None and reply.tokens_out is not None:
                    used = reply.tokens_in + reply.tokens_out
                    usd = self._policy.cost_usd(reply.tokens_in, reply.tokens_out) or 0.0
                    self._pace.correct(used - expected)
                    self._written += _NEWEST * (reply.tokens_out - self._written)
                else:
                    self._traffic.cannot_count(self._policy.name)
                return reply
            except StarecError:
                raise
            except Exception as error:
                if timeout.expired():
                    error = self._too_late(error)
                raise explained(error, self._policy.name) from error
            finally:
                self._traffic.leave(used, usd)

    def _too_late(self, error: Exception) -> PolicyError:
        late = PolicyError(
            f'the policy "{self._policy.name}" gave no answer within '
            f"gateway.timeout_s = {self._settings.timeout_s:g} seconds",
            hint="raise gateway.timeout_s, or lower limits.in_flight of the policy",
            cause="time-out",
        )
        late.__cause__ = error
        return late

    async def _prove(self, failed: PolicyError, since: float) -> None:
        """Make sure that a call which came to nothing is alone with that, or pause the run.

        Otherwise an outage would be written down as the behaviour of whoever asked last. Proof is
        an answer to anybody since it failed; where there was none, one short question is asked.
        """
        async with self._probing:
            if self._answered_at > since:
                return
            with contextlib.suppress(PolicyError):
                await self._attempt([HumanMessage(_PROBE)], {}, guessed_tokens((("user", _PROBE),)))
            if self._answered_at <= since:
                await self._pause(failed)

    async def _pause(self, failed: PolicyError) -> NoReturn:
        stop = PausedError(failed.message, hint=failed.hint, reason="endpoint")
        stop.__cause__ = failed
        await self._traffic.stop(stop)


def _told(failed: PolicyError, tries: int) -> str:
    after = f" (after {tries} attempts)" if tries > 1 else ""
    hint = f"\nhint: {failed.hint}" if failed.hint else ""
    return f"{failed.cause}: {failed.message}{after}{hint}"
