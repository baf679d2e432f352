"""What a client is told: completions and their pieces, in OpenAI's format.

Ids stand where vLLM puts them: `prompt_token_ids` beside the choices, `token_ids` in each.
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

Spell = Callable[[Sequence[int]], list[str]]
"""Returns the text of each token."""

_LEAST_LOGPROB = -9999.0
"""What OpenAI says for minus infinity, which JSON cannot."""


def spelled_as_ids(ids: Sequence[int]) -> list[str]:
    """Return names for tokens whose texts nobody knows, as vLLM writes them.

    >>> spelled_as_ids([7])
    ['token_id:7']
    """
    return [f"token_id:{token}" for token in ids]


@dataclass(frozen=True)
class Answers:
    """Tells the answers to one request."""

    request: ChatRequest
    spell: Spell
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, replies: Sequence[AIMessage]) -> dict[str, Any]:
        """Return the answer in one piece."""
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

    def piece(self, index: int, text: str, first: bool) -> dict[str, Any]:
        """Return a piece of one choice."""
        delta = {"role": "assistant", "content": text} if first else {"content": text}
        return {
            **self._head("chat.completion.chunk"),
            "choices": [self._choice(index, "delta", delta)],
        }

    def last_piece(self, index: int, reply: AIMessage) -> dict[str, Any]:
        """Return what ends one choice: why, and its tokens where they were asked for."""
        return {
            **self._head("chat.completion.chunk", reply),
            "choices": [self._choice(index, "delta", {}) | self._end(reply)],
            **self._prompt(reply),
        }

    def usage_piece(self, replies: Sequence[AIMessage]) -> dict[str, Any]:
        """Return what ends a stream when its usage was asked for."""
        usage = _usage([reply.usage_metadata for reply in replies])
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def _head(self, kind: str, reply: AIMessage | None = None) -> dict[str, Any]:
        # As OpenAI does, the model is named more exactly than it was asked for, once it is known.
        weights = reply.response_metadata.get("model_name") if reply else None
        model = weights or self.request.model
        return {"id": self.id, "object": kind, "created": self.created, "model": model}

    def _choice(self, index: int, key: str, said: dict[str, Any]) -> dict[str, Any]:
        return {"index": index, key: said, "finish_reason": None, "logprobs": None}

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
            raise RequestError(f"{param}: this policy does not tell its tokens", param=param)
        return tokens

    def _logprobs(self, tokens: Tokens) -> list[dict[str, Any]]:
        texts = self.spell(tokens.completion)
        return [
            {
                "token": text,
                # A token may be part of a character, which nobody can spell.
                "bytes": None if "\ufffd" in text else list(text.encode()),
                "logprob": max(logprob, _LEAST_LOGPROB),
                "top_logprobs": [],
            }
            for text, logprob in zip(texts, tokens.logprobs, strict=True)
        ]


def _usage(told: Sequence[UsageMetadata | None]) -> dict[str, int] | None:
    """Add up the tokens of all choices, whose prompt counts once; None where they are not told."""
    known = [usage for usage in told if usage is not None]
    if len(known) < len(told):
        return None
    read, written = known[0]["input_tokens"], sum(usage["output_tokens"] for usage in known)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }
