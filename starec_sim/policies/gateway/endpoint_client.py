"""The client of one endpoint: attempts, their time-out and rate, and the circuit breaker.

This is the only place that repeats a call. SDKs can repeat calls too, each in its own way: their
retries are not counted in the budget or in the cost ledger, they keep a slot while they wait, and
when the endpoint asks one call to wait ten seconds, the other 63 go on. So our `openai` policy sets
its SDK to one attempt, and a chat model of your own should do the same (`max_retries=0`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    var_child_runnable_config,
)

from starec_sim.answers.endings import ending_note
from starec_sim.boundary import BrokenContract, InterruptedCall, interruption
from starec_sim.errors import (
    ContractError,
    PausedError,
    PolicyError,
    StarecError,
    did_you_mean,
)
from starec_sim.policies.gateway.budget_guard import BudgetGuard
from starec_sim.policies.gateway.failures import RaisedByPlugin, as_policy_error
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.rate_limiter import RateLimiter
from starec_sim.policies.gateway.reply import (
    CallResult,
    Reply,
    counts_as_answer,
    estimate_tokens,
    read_reply,
    whole_reply,
)
from starec_sim.policies.settings import GatewaySettings
from starec_sim.types import Messages

_MESSAGE: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}

_LONGEST_WAIT_S = 60.0
_LONGEST_RETRY_AFTER_S = 900.0
"""An endpoint that asks for a longer wait counts as closed."""
_PROBE = "Answer with one word: ready"
_JSON_PROBE = "Answer with a JSON object, in the form that is asked for."
"""Some endpoints want to read of JSON in the prompt when they are asked for it."""
_NEWEST = 0.1
"""Weight of the newest answer in the mean length of answers."""


class _Question(NamedTuple):
    """A question to the model, with everything that is sent with it."""

    messages: Messages
    options: Mapping[str, Any]
    tokens: float
    """How many tokens it has, estimated."""
    order: int
    """Counts the questions: who asked first is served first."""

    def form(self) -> tuple[bool, str]:
        """Return what an endpoint may reject in every such question: the role system, a schema."""
        schema = self.options.get("response_format")
        name = str(schema["json_schema"]["name"]) if schema else ""
        return any(role == "system" for role, _ in self.messages), name

    def probe(self) -> _Question:
        """Return a short question that carries all that this one carries, besides its text."""
        has_system, schema = self.form()
        text = _JSON_PROBE if schema else _PROBE
        asked = ("user", text)
        messages = (("system", "You answer briefly."), asked) if has_system else (asked,)
        return _Question(messages, self.options, estimate_tokens((asked,)), self.order)


_ALL_REFUSED = 4
"""Questions that were refused, or answered without a text, and none answered otherwise, after which
a run pauses."""


class _Failed(NamedTuple):
    """An attempt without an answer."""

    error: PolicyError
    at: float
    """When, on the event loop's clock."""
    lowered: bool
    """Whether fewer calls are in flight because of it."""


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
        self._accepted: set[tuple[bool, str]] = set()
        """Forms of questions that were answered."""
        self._orders = itertools.count()
        self._answers = self._refusals = 0
        """Questions that were answered, and that were refused; short ones do not count."""
        self._without_text = 0
        """Answers without a text, which are not among `_answers`."""

    def note_recorded_answer(self) -> None:
        """Note that the record of this run holds an answer of the policy."""
        self._answers += 1

    async def ask(
        self,
        messages: Messages,
        options: Mapping[str, Any],
        *,
        prompt_tokens: float,
        jitter: Callable[[], float],
    ) -> CallResult:
        """Ask until there is an answer, or until no more attempts are left.

        Args:
            messages: The question.
            options: Keywords of the call.
            prompt_tokens: How many tokens the question has, estimated.
            jitter: Returns a number between 0 and 1, which spreads retries of calls that failed
                together.

        Raises:
            PausedError: The budget is spent, or the endpoint answers no call at all.
            StarecError: The model found an error in its configuration.
            BrokenContract: It returned something wrong.
            RaisedByPlugin: Its own code raised an error that is none of an endpoint.
        """
        question = _Question(messages, options, prompt_tokens, next(self._orders))
        settings, counted = self._settings, 0
        for tries in itertools.count(1):
            reply = await self._attempt(question)
            if isinstance(reply, Reply):
                await self._check_text(reply)
                return CallResult(reply, "", tries)
            result, failed = reply, reply.error
            retry_after = failed.retry_after_s
            if failed.cause == "closed" or (retry_after or 0) > _LONGEST_RETRY_AFTER_S:
                await self._pause(failed)
            if retry_after is not None:
                self._limiter.close_for(retry_after)
            # A time-out among many calls says something about their number, not about this one.
            counted += not (result.lowered and failed.cause == "time-out")
            if failed.cause in ("refused", "denied") or counted > settings.retries:
                break
            wait = min(_LONGEST_WAIT_S, settings.backoff_s * 2 ** max(0, counted - 1))
            await asyncio.sleep(wait * (1 + jitter()) / 2)
        await self._check_endpoint(question, result)
        return CallResult(None, _failure_text(failed, tries), tries)

    async def _attempt(self, question: _Question) -> Reply | _Failed:
        expected = question.tokens + self._mean_tokens_out
        places = self._limiter.places
        async with self._limiter.slot(expected, question.order) as taken:
            await self._budget.admit()
            try:
                reply = await self._answer(question, expected)
            except PolicyError as error:
                timed_out = error.cause == "time-out"
                overloaded = timed_out or error.cause == "overload"
                lowered = overloaded and places.lower(taken, timed_out=timed_out)
                return _Failed(error, asyncio.get_running_loop().time(), lowered)
            places.answered()
            self._accepted.add(question.form())
            return reply

    async def _answer(self, question: _Question, expected: float) -> Reply:
        """Ask the model once, and count what it used."""
        used, usd = 0, 0.0
        timeout = asyncio.timeout(self._settings.timeout_s)
        try:
            answer = self._policy.abilities.answer_at_once
            if answer is not None and not _has_listeners():
                with self._policy.measured(waits=False):
                    reply = whole_reply(*answer(question.messages))
            else:
                messages = [_message(*pair) for pair in question.messages]
                with self._policy.measured(waits=True):
                    async with timeout:
                        message = await self._policy.model.ainvoke(messages, **question.options)
                reply = read_reply(message)
            self._answered_at = asyncio.get_running_loop().time()
            if reply.tokens_in is not None and reply.tokens_out is not None:
                used = reply.tokens_in + reply.tokens_out
                usd = self._policy.cost_usd(reply.tokens_in, reply.tokens_out) or 0.0
                self._limiter.correct(used - expected)
                self._mean_tokens_out += _NEWEST * (reply.tokens_out - self._mean_tokens_out)
            else:
                self._budget.tokens_unknown(self._policy.name)
            return reply
        except (StarecError, BrokenContract, InterruptedCall):
            raise
        except KeyboardInterrupt:
            raise interruption() from None
        except (Exception, SystemExit) as error:
            if timeout.expired():
                error = self._timed_out(error)
            elif isinstance(error, Exception) and self._policy.is_to_blame(error):
                raise RaisedByPlugin(error) from error
            raise as_policy_error(error, self._policy.name, self._policy.line_of(error)) from error
        finally:
            self._budget.finish(used, usd)

    def _timed_out(self, error: BaseException) -> PolicyError:
        late = PolicyError(
            f'the policy "{self._policy.name}" gave no answer within '
            f"gateway.timeout_s = {self._settings.timeout_s:g} seconds",
            hint="raise gateway.timeout_s, or lower limits.in_flight of the policy",
            cause="time-out",
        )
        late.__cause__ = error
        return late

    async def _check_endpoint(self, question: _Question, result: _Failed) -> None:
        """Make sure that the endpoint answers other questions, or pause the run.

        Otherwise an outage, or a setting that the endpoint rejects in every question, would be
        recorded as the behaviour of single users. Proof is an answer to any question since this one
        failed; for a refused one, an earlier answer to a question of its form. Without proof one
        short question is asked, which carries all that this one carries. If no other question was
        ever answered and several were refused, the questions themselves are at fault: too long,
        say.
        """
        async with self._probing:
            if result.error.cause == "refused":
                answers = question.form() in self._accepted
            else:
                answers = self._answered_at > result.at
            if not answers and isinstance(await self._attempt(question.probe()), _Failed):
                await self._pause(result.error)
            self._refusals += result.error.cause in ("refused", "denied")
            if not self._answers and self._refusals >= _ALL_REFUSED:
                error = result.error
                message = f"all of the first {_ALL_REFUSED} questions were refused: {error.message}"
                await self._pause(PolicyError(message, hint=error.hint, cause=error.cause))

    async def _check_text(self, reply: Reply) -> None:
        """Pause the run if the first answers all have no text.

        Otherwise an endpoint that answers in another place than `content`, or calls tools, would be
        recorded as users who choose nothing.
        """
        if counts_as_answer(reply.completion, reply.tokens):
            self._answers += 1
            return
        self._without_text += 1
        if not self._answers and self._without_text >= _ALL_REFUSED:
            why = f": {ending_note(reply.ending, '')}" if reply.ending else ""
            message = (
                f'the first {_ALL_REFUSED} answers of the policy "{self._policy.name}" '
                f"have no text{why}"
            )
            await self._pause(PolicyError(message, hint=_no_text_hint(reply), cause="refused"))

    async def _pause(self, failed: PolicyError) -> NoReturn:
        paused = PausedError(failed.message, hint=failed.hint, reason="endpoint")
        paused.__cause__ = failed
        await self._budget.pause(paused)


def _no_text_hint(reply: Reply) -> str:
    """Return which key to change when all answers have no text, by how the last one ended."""
    if reply.ending == "length":
        return "raise max_tokens of the policy"
    if reply.ending in ("refusal", "content_filter"):
        return "change model of the policy to one that answers such prompts"
    return (
        "change model or base_url of the policy: the answer must stand in `content` of the message"
    )


def _failure_text(failed: PolicyError, tries: int) -> str:
    after = f" (after {tries} attempts)" if tries > 1 else ""
    if failed.cause == "denied":
        # Others are answered, so its hint about the key or the model does not apply.
        return f"refused: {failed.message}{after}"
    hint = f"\nhint: {failed.hint}" if failed.hint else ""
    return f"{failed.cause}: {failed.message}{after}{hint}"


def _message(role: str, text: str) -> BaseMessage:
    if role not in _MESSAGE:
        raise ContractError(
            f'an agent asked with a message of the role "{role}"', hint=did_you_mean(role, _MESSAGE)
        )
    return _MESSAGE[role](text)


def _has_listeners() -> bool:
    """Return whether a callback handler or a tracer wants to know of calls of a model."""
    around = var_child_runnable_config.get()  # that of the graph in which the question is asked
    callbacks = around.get("callbacks") if around else None
    if isinstance(callbacks, BaseCallbackManager):
        return bool(callbacks.handlers)
    return bool(get_async_callback_manager_for_config(ensure_config()).handlers)
