"""Reading the body of a response: the only place that checks its shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from starec_sim.answers import with_reasoning
from starec_sim.errors import PolicyError
from starec_sim.policies.openai.target import Target
from starec_sim.types import Tokens


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
    try:
        answer = json.loads(text)
    except ValueError:
        raise PolicyError(
            f"{target.url} answered with what is not JSON: {target.quote(text, 80)!r}",
            hint="base_url must be the API itself, usually ending in /v1, not a web page; "
            "if it is, the server or a proxy cut the answer short",
            cause="endpoint",
        ) from None
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content = message.get("content") or ""
        if not isinstance(content, str):
            raise TypeError
    except (AttributeError, IndexError, KeyError, TypeError):
        raise PolicyError(
            f"{target.url} answered without a choice that holds text: {target.quote(text, 300)}",
            hint="see the server's log; a content filter may do this too",
            cause="endpoint",
        ) from None
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning:
        content = with_reasoning(str(reasoning), content)
    usage: UsageMetadata | None = None
    match answer.get("usage"):
        case {"prompt_tokens": int(tokens_in), "completion_tokens": int(tokens_out)}:
            usage = UsageMetadata(
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                total_tokens=tokens_in + tokens_out,
            )
    metadata = {
        "model_name": answer.get("model") or target.model,
        "finish_reason": choice.get("finish_reason"),
        "system_fingerprint": answer.get("system_fingerprint"),
        "tokens": _read_tokens(answer, body, target) if token_ids else None,
    }
    reply = AIMessage(
        content=content,
        usage_metadata=usage,
        response_metadata={key: value for key, value in metadata.items() if value is not None},
    )
    return ChatResult(generations=[ChatGeneration(message=reply)])


def _read_tokens(answer: Mapping[str, Any], body: Mapping[str, Any], target: Target) -> Tokens:
    """Read the token ids and the log-probabilities."""
    choice = answer["choices"][0]
    try:
        prompt, completion = answer["prompt_token_ids"], choice["token_ids"]
        values = [token["logprob"] for token in choice["logprobs"]["content"] or ()]
        if not all(type(token) is int for token in (*prompt, *completion)):
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
    version = str(answer.get("model") or target.model)
    settings = {"max_tokens": body.get("max_completion_tokens"), **body}
    sampling = {
        name: settings[name]
        for name in ("temperature", "top_p", "max_tokens", "seed")
        if settings.get(name) is not None
    }
    return Tokens(tuple(prompt), tuple(completion), logprobs, version, sampling)
