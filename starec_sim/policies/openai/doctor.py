"""Ask an endpoint ten questions, and say which settings of the policy `openai` fit it.

Each check sends what a run sends: a system message, a repair question, a seed, a schema, a long
prompt, several calls at once. What an endpoint accepts and then ignores is found as well: a schema
that the answer does not keep to, a seed that changes nothing, a prompt that was cut.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Literal, NamedTuple

from langchain_core.messages import AIMessage

from starec_sim.answers import with_reasoning
from starec_sim.errors import PolicyError
from starec_sim.json_nesting import parse_json
from starec_sim.policies.openai.policy import OpenAIPolicy
from starec_sim.types import Messages

Outcome = Literal["yes", "no", "unclear"]
_SHORT: Messages = (("user", "Name a fruit. Answer with one word."),)
_SYSTEM: Messages = (("system", "You answer briefly."), *_SHORT)
_REPAIR: Messages = (
    *_SYSTEM,
    ("assistant", "Paris"),
    ("user", "That is no fruit. Name a fruit. Answer with one word."),
)
_STORY: Messages = (("user", "Tell a story of three sentences about a journey."),)
_MOODS = ("zorv", "blint", "quop")
"""Words that no model writes unless it is made to."""
_SCHEMA = {
    "title": "mood",
    "type": "object",
    "properties": {"mood": {"type": "string", "enum": list(_MOODS)}},
    "required": ["mood"],
    "additionalProperties": False,
}
_FORMAT = {"type": "json_schema", "json_schema": {"name": "mood", "schema": _SCHEMA}}
_ANSWER_TOKENS = 256
"""The longest answer of a check, reasoning included."""
_CUT_TOKENS = 4
_THINK = with_reasoning("", "").split()[0]
_FILLER = "The weather was mild and the road was long. "
_LONG_CHARACTERS = 8_000
"""Of a long prompt, such as one with 20 items and a memory of 40 experiences."""
_CHARACTERS_A_TOKEN = 10
"""A report of fewer tokens than this many characters each says that the prompt was cut."""
_TOGETHER = 4


class EndpointCheck(NamedTuple):
    """What one question found."""

    name: str
    outcome: Outcome
    said: str
    """What was seen, in a few words."""
    settings: Mapping[str, Any] = {}
    """Settings of the policy that follow; None leaves a setting out."""


async def examine(policy: OpenAIPolicy) -> AsyncIterator[EndpointCheck]:
    """Ask an endpoint the ten questions, and yield what each of them found.

    Args:
        policy: Says which endpoint and model, and how calls are made.

    Raises:
        PolicyError: The endpoint does not answer at all.
    """
    plain = policy.model_copy(
        update={
            "structured": None,
            "token_ids": False,
            "seeded": True,
            "system": "keep",
            "max_tokens": _ANSWER_TOKENS,
        }
    )
    settings: dict[str, Any] = {}
    try:
        for check in _CHECKS:
            found = await check(plain.model_copy(update=settings))
            # Later questions leave out what is refused.
            settings |= {k: v for k, v in found.settings.items() if k not in _ONLY_ADVISED}
            yield found
    finally:
        await plain.aclose()


def advised(checks: list[EndpointCheck], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of the policy with the settings that fit the endpoint."""
    fitting = {**spec}
    for check in checks:
        fitting |= check.settings
    return {key: value for key, value in fitting.items() if value is not None}


async def _ask(policy: OpenAIPolicy, messages: Messages, **options: Any) -> AIMessage:
    return await policy.ainvoke(list(messages), **options)


async def _answers(policy: OpenAIPolicy) -> EndpointCheck:
    start = time.monotonic()
    try:
        answer = await _ask(policy, _SHORT)
    except PolicyError:
        # Nothing optional is sent: who refuses this answers nobody.
        bare = policy.model_copy(update={"temperature": None, "top_p": None, "max_tokens": None})
        answer = await _ask(bare, _SHORT)
    took, usage = time.monotonic() - start, answer.usage_metadata
    model = answer.response_metadata.get("model_name", policy.model)
    tokens = (
        f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
        if usage
        else "tokens are not reported, so a budget of tokens or usd cannot be kept"
    )
    thinks = "; it writes its reasoning first" if str(answer.text).startswith(_THINK) else ""
    return EndpointCheck("answers", "yes", f"{model}, {took:.1f} s, {tokens}{thinks}")


async def _limit(policy: OpenAIPolicy) -> EndpointCheck:
    keys = ("max_tokens", "max_completion_tokens")
    usual = policy.max_tokens_key
    refusals = []
    for key in [usual] if usual else [None, *keys]:
        limited = policy.model_copy(update={"max_tokens_key": key})
        try:
            # Without the temperature, which is not checked yet.
            options = {"max_tokens": _CUT_TOKENS, "temperature": None, "top_p": None}
            answer = await _ask(limited, _STORY, **options)
        except PolicyError as error:
            refusals.append(error)
            continue
        settings = {"max_tokens_key": key} if key else {}
        if answer.response_metadata.get("ending") == "length":
            return EndpointCheck("max_tokens", "yes", "an answer that was cut is named", settings)
        usage = answer.usage_metadata
        if usage and usage["output_tokens"] > 2 * _CUT_TOKENS:
            return EndpointCheck(
                "max_tokens", "no", f"ignored: {usage['output_tokens']} tokens came"
            )
        return EndpointCheck("max_tokens", "unclear", "a cut answer is not named as one", settings)
    return _failed("max_tokens", refusals[-1], {"max_tokens": None})


async def _temperature(policy: OpenAIPolicy) -> EndpointCheck:
    try:
        await _ask(policy, _SHORT, temperature=0.7)
    except PolicyError as error:
        return _failed("temperature", error, {"temperature": None, "top_p": None})
    return EndpointCheck("temperature", "yes", "taken")


async def _system(policy: OpenAIPolicy) -> EndpointCheck:
    try:
        await _ask(policy, _SYSTEM)
    except PolicyError as error:
        return _failed("role system", error, {"system": "merge"})
    return EndpointCheck("role system", "yes", "taken")


async def _repair(policy: OpenAIPolicy) -> EndpointCheck:
    try:
        await _ask(policy, _REPAIR)
    except PolicyError as error:
        return _failed("repair question", error)
    return EndpointCheck("repair question", "yes", "an answer may stand in the prompt")


async def _seed(policy: OpenAIPolicy) -> EndpointCheck:
    # A policy that leaves its temperature out has the server's; without one nothing varies.
    hot = {} if policy.temperature is None else {"temperature": 1.0}
    try:
        texts = [str((await _ask(policy, _STORY, seed=seed, **hot)).text) for seed in (7, 7, 8)]
    except PolicyError as error:
        return _failed("seed", error, {"seeded": False})
    if texts[0] != texts[1]:
        return EndpointCheck("seed", "no", "taken, but two answers with one seed differ")
    if texts[1] == texts[2]:
        return EndpointCheck("seed", "unclear", "answers with two seeds are equal as well")
    return EndpointCheck("seed", "yes", "one seed, one answer")


async def _schema(policy: OpenAIPolicy) -> EndpointCheck:
    said = []
    for way in ("json_schema", "json_object_schema", "structured_outputs"):
        try:
            structured = policy.model_copy(update={"structured": way})
            answer = await _ask(structured, _STORY, response_format=_FORMAT)
        except PolicyError as error:
            said.append(f"{way}: {_refused(error)}")
            continue
        if _keeps_to_schema(str(answer.text)):
            return EndpointCheck("schema", "yes", f"{way} is kept to", {"structured": way})
        cut = answer.response_metadata.get("ending") == "length"
        said.append(f"{way}: taken, {'cut before its answer' if cut else 'and ignored'}")
    note = "; ".join(said) + "; answers are asked for in tags"
    return EndpointCheck("schema", "no", note, {"structured": None})


def _keeps_to_schema(text: str) -> bool:
    try:
        answer = parse_json(text, 5)
    except ValueError:
        return False
    return isinstance(answer, dict) and set(answer) == {"mood"} and answer["mood"] in _MOODS


async def _tokens(policy: OpenAIPolicy) -> EndpointCheck:
    try:
        answer = await _ask(policy.model_copy(update={"token_ids": True}), _SHORT)
    except PolicyError as error:
        return EndpointCheck("token ids", "no", f"{_short(error)}; only training needs them")
    count = len(answer.response_metadata["tokens"].completion)
    said = f"{count} tokens with log-probabilities; for training set token_ids: true"
    return EndpointCheck("token ids", "yes", said)


async def _long(policy: OpenAIPolicy) -> EndpointCheck:
    filler = _FILLER * (_LONG_CHARACTERS // len(_FILLER))
    messages: Messages = (("user", f"{filler}\n{_SHORT[0][1]}"),)
    try:
        answer = await _ask(policy, messages)
    except PolicyError as error:
        failed = _failed("long prompt", error)
        if failed.outcome == "unclear":
            return failed
        return failed._replace(said=f"{failed.said}; show less, e.g. agent.history_shown")
    usage = answer.usage_metadata
    if usage is None:
        return EndpointCheck("long prompt", "unclear", "answered; tokens are not reported")
    read = usage["input_tokens"]
    if read * _CHARACTERS_A_TOKEN < len(filler):
        said = f"cut without a word: {len(filler):,} characters were sent, {read:,} tokens read"
        return EndpointCheck("long prompt", "no", f"{said}; raise the context of the server")
    return EndpointCheck("long prompt", "yes", f"{len(filler):,} characters, {read:,} tokens")


async def _together(policy: OpenAIPolicy) -> EndpointCheck:
    start = time.monotonic()
    try:
        await _ask(policy, _SHORT)
        one = time.monotonic() - start
        start = time.monotonic()
        await asyncio.gather(*(_ask(policy, _SHORT) for _ in range(_TOGETHER)))
    except PolicyError as error:
        return _failed("several calls at once", error, {"max_in_flight": 1})
    together = time.monotonic() - start
    said = f"{_TOGETHER} took {together:.1f} s, one {one:.1f} s"
    return EndpointCheck("several calls at once", "yes", said)


def _failed(
    name: str, error: PolicyError, settings: Mapping[str, Any] | None = None
) -> EndpointCheck:
    """Return what a failed question says. One that took too long says nothing."""
    if error.cause == "time-out":
        return EndpointCheck(
            name, "unclear", "no answer in timeout_s; raise it, or ask again later"
        )
    return EndpointCheck(name, "no", _refused(error), settings or {})


def _refused(error: PolicyError) -> str:
    said = _short(error)
    return said if "refused" in said else f"refused: {said}"


def _short(error: PolicyError) -> str:
    """Return what an endpoint said, without its address, in at most 160 characters."""
    _, address, said = error.message.partition(" refused the request ")
    text = f"refused {said}" if address else error.message
    return text if len(text) <= 160 else text[:159] + "…"


_CHECKS: tuple[Callable[[OpenAIPolicy], Coroutine[Any, Any, EndpointCheck]], ...] = (
    _answers,
    _limit,
    _temperature,
    _system,
    _repair,
    _seed,
    _schema,
    _tokens,
    _long,
    _together,
)
CHECKS = len(_CHECKS)
_ONLY_ADVISED = frozenset({"structured"})
"""Settings that later questions are asked without."""
