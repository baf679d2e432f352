"""A chat model's message, read into plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast, get_args

from langchain_core.messages import AIMessage, BaseMessage

from starec_sim.boundary import BrokenContract
from starec_sim.boundary.turn import checked_tokens
from starec_sim.boundary.values import count, shown
from starec_sim.types import Ending, Tokens

_CHARACTERS_PER_TOKEN = 4
"""Of English text, about; for estimates before a call."""


class Reply(NamedTuple):
    """What a model answered."""

    completion: str
    tokens_in: int | None
    tokens_out: int | None
    tokens: Tokens | None = None
    ending: Ending = ""


NO_REPLY = Reply("", None, None)


class CallResult(NamedTuple):
    """How a call ended, all its attempts included."""

    reply: Reply | None
    failure: str = ""
    """As in `starec_sim.types.Turn`; empty when there is a reply."""
    tries: int = 0
    """How often the model was asked."""


def read_reply(message: object) -> Reply:
    """Read a chat model's message.

    Models of other packages may answer with another kind of message, which reports nothing.

    Args:
        message: The message.

    Raises:
        BrokenContract: It is no message, or its content, its usage or its tokens are wrong.
    """
    if not isinstance(message, BaseMessage):
        raise BrokenContract(
            f"returned {shown(message)}; it must return a message",
            "AIMessage is imported from langchain_core.messages",
        )
    if not isinstance(message.content, str | list):
        raise BrokenContract(
            f"the content of the message is {shown(message.content)}; it must be text",
            "an empty answer is AIMessage('')",
        )
    metadata = message.response_metadata or {}
    tokens, ending = metadata.get("tokens"), metadata.get("ending")
    return Reply(
        # A byte-level tokenizer can leave half a character, which SQLite cannot store.
        completion=message.text.encode(errors="replace").decode(),
        tokens_in=_used(message, "input_tokens"),
        tokens_out=_used(message, "output_tokens"),
        # Models of other packages may keep something else under this name.
        tokens=checked_tokens(tokens) if isinstance(tokens, Tokens) else None,
        ending=cast(Ending, ending) if ending in get_args(Ending) else "",
    )


def whole_reply(completion: str, tokens_in: int, tokens_out: int) -> Reply:
    """Return the reply of a policy that answers at once."""
    return Reply(completion.encode(errors="replace").decode(), tokens_in, tokens_out)


def counts_as_answer(completion: str, tokens: Tokens | None) -> bool:
    """Return whether an endpoint that gave this reply has answered (decision 121).

    A reply with its tokens is one of a model that starec loaded itself, which may well end at once
    before it is trained.
    """
    return bool(completion.strip()) or tokens is not None


def _used(message: BaseMessage, name: str) -> int | None:
    """Return how many tokens a message reports; None if it reports none."""
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    tokens = usage.get(name) if usage else None
    return None if tokens is None else count(tokens, f'usage_metadata["{name}"]')


def estimate_tokens(messages: Sequence[tuple[str, str]]) -> float:
    """Estimate how many tokens the messages have, from their characters."""
    return sum(len(text) for _, text in messages) / _CHARACTERS_PER_TOKEN
