"""Reading the body of a response: the only place that checks its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from langchain_core.messages import AIMessage, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from starec_sim.answers import with_reasoning
from starec_sim.errors import PolicyError
from starec_sim.json_nesting import parse_json
from starec_sim.policies.openai.target import Target
from starec_sim.types import Ending, Tokens

_TEXT = frozenset({"text", "output_text"})
_REASONING = frozenset({"thinking", "reasoning", "reasoning_text", "summary_text"})
"""Types of the parts of a content that is a list."""
_ENDINGS: Mapping[str, Ending] = {
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), "length"),
    **dict.fromkeys(("content_filter", "safety", "sensitive", "blocklist"), "content_filter"),
    "refusal": "refusal",
}
"""By `finish_reason`, in the words of several servers."""
_INTERRUPTED = frozenset({"error", "insufficient_system_resource", "abort"})
"""Values of `finish_reason` for a server that failed in the middle of an answer."""

_MAX_DEPTH = 50
"""Nesting of a response; deeper ones are no answers of a chat endpoint."""
_GREATEST_ID = 2**31 - 1
"""Of tokens; they are stored in 32 bits."""
_GREATEST_FLOAT = float(np.finfo(np.float32).max)
_MOST_TOKENS = 10**9
"""A greater count is no count; the sums of a record would not hold it."""


class _Content(NamedTuple):
    """The message of an answer."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""

    def plus(self, other: _Content) -> _Content:
        return _Content(*(one + more for one, more in zip(self, other, strict=True)))


def is_another_model(asked: str, named: str) -> bool:
    """Return whether an endpoint names another model than it was asked for.

    Many name a version of it, or a file: neither name then lacks the other, but for signs.

    >>> is_another_model("Qwen/Qwen3-8B", "qwen3:8b"), is_another_model("gpt-4o", "other-7b")
    (False, True)
    """
    one, other = (
        "".join(char for char in name.rpartition("/")[2].casefold() if char.isalnum())
        for name in (asked, named)
    )
    return one not in other and other not in one


def read_answer(text: str, body: Mapping[str, Any], token_ids: bool, target: Target) -> ChatResult:
    """Read the body of a response with status 200.

    Args:
        text: The body of the response.
        body: The body of the request.
        token_ids: Whether token ids and log-probabilities were asked for.
        target: The endpoint.

    Raises:
        PolicyError: The text is not JSON, or holds no answer, or not the tokens that were asked
            for.
    """
    answer = _parsed(text, target)
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content = _content(message.get("content"))
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        content = content.plus(_Content("", _text(reasoning), _text(message.get("refusal") or "")))
        finish = str(choice.get("finish_reason") or "").lower()
    except (AttributeError, IndexError, KeyError, TypeError):
        raise PolicyError(
            f"{target.url} answered without a choice that holds text: {target.quote(text, 300)}",
            hint="see the server's log: this is not an answer in OpenAI's chat format",
            cause="endpoint",
        ) from None
    if finish in _INTERRUPTED:
        why = target.quote(str(choice.get("error") or "no reason given"), 300)
        raise PolicyError(
            f"{target.url} broke off the answer (finish_reason: {finish}): {why}",
            hint="see the server's log",
            cause="endpoint",
        )
    ending = _ending(content, finish, bool(message.get("tool_calls")))
    written = content.text or content.refusal
    metadata = {
        "model_name": answer.get("model") or target.model,
        "finish_reason": choice.get("finish_reason"),
        "ending": ending or None,
        "system_fingerprint": answer.get("system_fingerprint"),
        "tokens": _read_tokens(answer, body, target) if token_ids else None,
    }
    reply = AIMessage(
        content=with_reasoning(content.reasoning, written) if content.reasoning else written,
        usage_metadata=_usage(answer.get("usage")),
        response_metadata={key: value for key, value in metadata.items() if value is not None},
    )
    return ChatResult(generations=[ChatGeneration(message=reply)])


def _parsed(text: str, target: Target) -> Any:
    text = text.removeprefix("\ufeff")
    try:
        return parse_json(text, _MAX_DEPTH)
    except ValueError as error:
        quoted = target.quote(text, 80)
        raise PolicyError(
            f"{target.url} answered with what is not JSON: {quoted!r} ({error})"
            if text.strip()
            else f"{target.url} answered with an empty body",
            hint=_hint_of(text.lstrip()),
            cause="endpoint",
        ) from None


def _hint_of(text: str) -> str:
    """Return what to do about a body that is not JSON."""
    if text.startswith(("data:", "event:", ": ")):
        return "it streams, which was not asked for: see the settings of the server or proxy"
    if text.startswith(("{", "[")):
        return "the server or a proxy cut the answer short or damaged it: see the server's log"
    return "base_url must be the API itself, usually ending in /v1, not a web page or a proxy"


def _content(content: Any) -> _Content:
    """Read `message.content`: a text, nothing, or a list of parts.

    Raises:
        TypeError: It is something else, or a part has a type that holds no text.
    """
    if content is None or isinstance(content, str):
        return _Content(content or "")
    if not isinstance(content, list):
        raise TypeError
    read = _Content()
    for part in content:
        if isinstance(part, str):
            read = read.plus(_Content(part))
            continue
        kind = part["type"]
        if kind in _TEXT:
            read = read.plus(_Content(_text(part["text"])))
        elif kind in _REASONING:
            held = (part[key] for key in (kind, "text", "summary") if key in part)
            read = read.plus(_Content(reasoning=_text(next(held, ""))))
        elif kind == "refusal":
            read = read.plus(_Content(refusal=_text(part["refusal"])))
        elif kind != "redacted_thinking":
            raise TypeError
    return read


def _text(value: Any) -> str:
    """Return a text, or that of a list of parts.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise TypeError
    return "".join(part if isinstance(part, str) else _text(part["text"]) for part in value)


def _ending(content: _Content, finish: str, calls_tools: bool) -> Ending:
    """Return how an answer ended, if it is not a whole answer."""
    ending = _ENDINGS.get(finish, "")
    if ending:
        return ending
    if content.text.strip():
        return ""
    if content.refusal:
        return "refusal"
    if calls_tools:
        return "tool_calls"
    return "reasoning" if content.reasoning else ""


def _usage(usage: Any) -> UsageMetadata | None:
    """Read how many tokens were used; None if the server does not say it in plain numbers."""
    match usage:
        case {"prompt_tokens": int(tokens_in), "completion_tokens": int(tokens_out)}:
            if all(0 <= tokens <= _MOST_TOKENS for tokens in (tokens_in, tokens_out)):
                return UsageMetadata(
                    input_tokens=tokens_in,
                    output_tokens=tokens_out,
                    total_tokens=tokens_in + tokens_out,
                )
    return None


def _is_logprob(value: float) -> bool:
    """Return whether a number is finite in single precision, and no more than rounding above 0."""
    return -_GREATEST_FLOAT <= value <= 1e-3


def _read_tokens(answer: Mapping[str, Any], body: Mapping[str, Any], target: Target) -> Tokens:
    """Read the token ids and the log-probabilities."""
    choice = answer["choices"][0]
    try:
        prompt, completion = answer["prompt_token_ids"], choice["token_ids"]
        values = [token["logprob"] for token in choice["logprobs"]["content"] or ()]
        if not all(type(id) is int and 0 <= id <= _GREATEST_ID for id in (*prompt, *completion)):
            raise TypeError
        if not all(type(value) in (int, float) and _is_logprob(value) for value in values):
            raise TypeError
        # In single precision, as engines compute them and runs store them.
        logprobs = tuple(np.asarray(values, np.float32).tolist())
    except (KeyError, TypeError, ValueError):
        raise PolicyError(
            f"{target.url} answered without the ids and log-probabilities of its tokens",
            hint="vLLM 0.10.2 and later gives them, `starec serve` does; otherwise set "
            "token_ids: false",
        ) from None
    if len(logprobs) != len(completion):
        raise PolicyError(
            f"{target.url} answered with {len(completion)} tokens and the log-probabilities of "
            f"{len(logprobs)}",
            hint="set token_ids: false, or use another version of the server",
        )
    # Half of a surrogate pair, which JSON can hold, cannot be stored.
    version = str(answer.get("model") or target.model).encode(errors="replace").decode()
    settings = {"max_tokens": body.get("max_completion_tokens"), **body}
    sampling = {
        name: settings[name]
        for name in ("temperature", "top_p", "max_tokens", "seed")
        if settings.get(name) is not None
    }
    return Tokens(tuple(prompt), tuple(completion), logprobs, version, sampling)
