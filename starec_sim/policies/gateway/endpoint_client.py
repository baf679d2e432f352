"""The client of one endpoint: attempts, their time-out and rate, and the circuit breaker.

This is the only place that repeats a call. SDKs can repeat calls too, each in its own way: their
retries are not counted in the budget or in the cost ledger, they keep a slot while they wait, and
when the endpoint asks one call to wait ten seconds, the other 63 go on. So our `openai` policy sets
its SDK to one attempt, and a chat model of your own should do the same (`max_retries=0`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from langchain_core.messages import BaseMessage, HumanMessage

from starec_sim.errors import PausedError, PolicyError, StarecError
from starec_sim.policies.gateway.budget_guard import BudgetGuard
from starec_sim.policies.gateway.failures import as_policy_error
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.rate_limiter import RateLimiter
from starec_sim.policies.gateway.reply import CallResult, Reply, estimate_tokens, read_reply
from starec_sim.policies.settings import GatewaySettings

_LONGEST_WAIT_S = 60.0
_LONGEST_RETRY_AFTER_S = 900.0
"""An endpoint that asks for a longer wait counts as closed."""
_PROBE = "Answer with one word: ready"
_NEWEST = 0.1
"""Weight of the newest answer in the mean length of answers."""


class EndpointClient:
    """Asks one policy.

    Args:
        policy: The policy.
        limiter: The rate limiter of its endpoint.
        settings: Time-outs and retries.
        budget: The budget of the run.
    """

    def __init__(
        self, policy: Policy, limiter: RateLimiter, settings: GatewaySettings, budget: BudgetGuard
    ) -> None:
        self._policy = policy
        self._limiter = limiter
        self._settings = settings
        self._budget = budget
        self._answered_at = 0.0
        """When the last answer came, on the event loop's clock."""
        self._probing = asyncio.Lock()
        self._mean_tokens_out = 0.0
        """A moving mean: the expected length of the next answer."""

    async def ask(
        self,
        messages: Sequence[BaseMessage],
        options: Mapping[str, Any],
        *,
        prompt_tokens: float,
        jitter: float,
    ) -> CallResult:
        """Ask until there is an answer, or until no more attempts are left.

        Args:
            messages: The question.
            options: Keywords of the call.
            prompt_tokens: How many tokens the question has, estimated.
            jitter: Between 0 and 1; spreads the retries of calls that failed together.

        Raises:
            PausedError: The budget is spent, or the endpoint answers no call at all.
            StarecError: The model found an error in its configuration.
        """
        settings, clock = self._settings, asyncio.get_running_loop().time
        for attempt in range(settings.retries + 1):
            try:
                reply = await self._attempt(messages, options, prompt_tokens)
            except PolicyError as error:
                failed, failed_at = error, clock()
            else:
                return CallResult(reply, "", attempt + 1)
            retry_after = failed.retry_after_s
            if failed.cause == "closed" or (retry_after or 0) > _LONGEST_RETRY_AFTER_S:
                await self._pause(failed)
            if retry_after is not None:
                self._limiter.close_for(retry_after)
            if failed.cause == "refused" or attempt == settings.retries:
                break
            wait = min(_LONGEST_WAIT_S, settings.backoff_s * 2**attempt)
            await asyncio.sleep(wait * (1 + jitter) / 2)
        # An endpoint that refuses a request is up: any answer since the start is proof enough.
        await self._check_endpoint(failed, 0.0 if failed.cause == "refused" else failed_at)
        return CallResult(None, _failure_text(failed, attempt + 1), attempt + 1)

    async def _attempt(
        self, messages: Sequence[BaseMessage], options: Mapping[str, Any], prompt_tokens: float
    ) -> Reply:
        expected = prompt_tokens + self._mean_tokens_out
        async with self._limiter.slot(expected):
            await self._budget.admit()
            used, usd = 0, 0.0
            try:
                async with asyncio.timeout(self._settings.timeout_s) as timeout:
                    message = await self._policy.model.ainvoke(list(messages), **options)
                reply = read_reply(message, self._policy.name)
                self._answered_at = asyncio.get_running_loop().time()
                if reply.tokens_in is not None and reply.tokens_out is not None:
                    used = reply.tokens_in + reply.tokens_out
                    usd = self._policy.cost_usd(reply.tokens_in, reply.tokens_out) or 0.0
                    self._limiter.correct(used - expected)
                    self._mean_tokens_out += _NEWEST * (reply.tokens_out - self._mean_tokens_out)
                else:
                    self._budget.tokens_unknown(self._policy.name)
                return reply
            except StarecError:
                raise
            except Exception as error:
                if timeout.expired():
                    error = self._timed_out(error)
                raise as_policy_error(error, self._policy.name) from error
            finally:
                self._budget.finish(used, usd)

    def _timed_out(self, error: Exception) -> PolicyError:
        late = PolicyError(
            f'the policy "{self._policy.name}" gave no answer within '
            f"gateway.timeout_s = {self._settings.timeout_s:g} seconds",
            hint="raise gateway.timeout_s, or lower limits.in_flight of the policy",
            cause="time-out",
        )
        late.__cause__ = error
        return late

    async def _check_endpoint(self, failed: PolicyError, since: float) -> None:
        """Make sure that the endpoint answers other calls, or pause the run.

        Otherwise an outage would be recorded as the behaviour of single users. An answer to any
        call after `since` is proof; if there is none, one short question is asked.
        """
        async with self._probing:
            if self._answered_at > since:
                return
            with contextlib.suppress(PolicyError):
                tokens = estimate_tokens((("user", _PROBE),))
                await self._attempt([HumanMessage(_PROBE)], {}, tokens)
            if self._answered_at <= since:
                await self._pause(failed)

    async def _pause(self, failed: PolicyError) -> NoReturn:
        paused = PausedError(failed.message, hint=failed.hint, reason="endpoint")
        paused.__cause__ = failed
        await self._budget.pause(paused)


def _failure_text(failed: PolicyError, tries: int) -> str:
    after = f" (after {tries} attempts)" if tries > 1 else ""
    hint = f"\nhint: {failed.hint}" if failed.hint else ""
    return f"{failed.cause}: {failed.message}{after}{hint}"
