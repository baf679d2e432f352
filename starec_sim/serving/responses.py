"""The bodies of responses in OpenAI's format: completions, and the chunks of a stream.

Token ids are where vLLM puts them: `prompt_token_ids` beside the choices, `token_ids` in each.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, UsageMetadata

from starec_sim.serving.errors import RequestError
from starec_sim.serving.requests import ChatRequest
from starec_sim.types import Tokens

TokenTexts = Callable[[Sequence[int]], list[str]]
"""Returns the text of each token id."""

_LEAST_LOGPROB = -9999.0
"""OpenAI's number for minus infinity, which JSON does not have."""


def ids_as_texts(ids: Sequence[int]) -> list[str]:
    """Return texts for tokens of a policy that does not know them, as vLLM writes them.

    >>> ids_as_texts([7])
    ['token_id:7']
    """
    return [f"token_id:{token}" for token in ids]


@dataclass(frozen=True)
class ChatResponses:
    """Builds the bodies of the responses to one request."""

    request: ChatRequest
    token_texts: TokenTexts
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def completion(self, replies: Sequence[AIMessage]) -> dict[str, Any]:
        """Return the body with all answers."""
        choices = []
        for index, reply in enumerate(replies):
            message = {"role": "assistant", "content": reply.text, "refusal": None}
            choices.append(self._choice(index, "message", message) | self._end(reply))
        return {
            **self._head("chat.completion", replies[0]),
            "choices": choices,
            "usage": _usage([reply.usage_metadata for reply in replies]),
            **self._prompt(replies[0]),
        }

    def chunk(self, index: int, text: str, first: bool) -> dict[str, Any]:
        """Return the chunk with a piece of one choice's text."""
        delta = {"role": "assistant", "content": text} if first else {"content": text}
        return {
            **self._head("chat.completion.chunk"),
            "choices": [self._choice(index, "delta", delta)],
        }

    def last_chunk(self, index: int, reply: AIMessage) -> dict[str, Any]:
        """Return the chunk that ends one choice: the reason, and the tokens if asked for."""
        return {
            **self._head("chat.completion.chunk", reply),
            "choices": [self._choice(index, "delta", {}) | self._end(reply)],
            **self._prompt(reply),
        }

    def usage_chunk(self, replies: Sequence[AIMessage]) -> dict[str, Any]:
        """Return the last chunk of a stream, if its usage was asked for."""
        usage = _usage([reply.usage_metadata for reply in replies])
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def _head(self, kind: str, reply: AIMessage | None = None) -> dict[str, Any]:
        # As at OpenAI, the response names the exact model, once it is known.
        exact = reply.response_metadata.get("model_name") if reply else None
        model = exact or self.request.model
        return {"id": self.id, "object": kind, "created": self.created, "model": model}

    def _choice(self, index: int, key: str, content: dict[str, Any]) -> dict[str, Any]:
        return {"index": index, key: content, "finish_reason": None, "logprobs": None}

    def _end(self, reply: AIMessage) -> dict[str, Any]:
        end: dict[str, Any] = {
            "finish_reason": reply.response_metadata.get("finish_reason", "stop")
        }
        if self.request.logprobs:
            end["logprobs"] = {"content": self._logprobs(self._tokens(reply)), "refusal": None}
        if self.request.return_token_ids:
            end["token_ids"] = self._tokens(reply).completion
        return end

    def _prompt(self, reply: AIMessage) -> dict[str, Any]:
        if not self.request.return_token_ids:
            return {}
        return {"prompt_token_ids": self._tokens(reply).prompt}

    def _tokens(self, reply: AIMessage) -> Tokens:
        tokens = reply.response_metadata.get("tokens")
        if not isinstance(tokens, Tokens):
            param = "logprobs" if self.request.logprobs else "return_token_ids"
            raise RequestError(f"{param}: this policy does not report its tokens", param=param)
        return tokens

    def _logprobs(self, tokens: Tokens) -> list[dict[str, Any]]:
        texts = self.token_texts(tokens.completion)
        return [
            {
                "token": text,
                # A token may be a part of a character, which has no text.
                "bytes": None if "\ufffd" in text else list(text.encode()),
                "logprob": max(logprob, _LEAST_LOGPROB),
                "top_logprobs": [],
            }
            for text, logprob in zip(texts, tokens.logprobs, strict=True)
        ]


def _usage(reported: Sequence[UsageMetadata | None]) -> dict[str, int] | None:
    """Add up the tokens of all choices; the prompt counts once. None if they are not reported."""
    known = [usage for usage in reported if usage is not None]
    if len(known) < len(reported):
        return None
    tokens_in = known[0]["input_tokens"]
    tokens_out = sum(usage["output_tokens"] for usage in known)
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }
