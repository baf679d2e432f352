"""A chat model's message, read into plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast, get_args

from langchain_core.messages import AIMessage, BaseMessage

from starec_sim.errors import ContractError
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


def read_reply(message: BaseMessage, policy: str) -> Reply:
    """Read a chat model's message.

    Models of other packages may answer with another kind of message, which reports nothing.

    Args:
        message: The message.
        policy: The name of the policy, for the error message.

    Raises:
        ContractError: The message has not one log-probability for each token.
    """
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    metadata = message.response_metadata or {}
    tokens, ending = metadata.get("tokens"), metadata.get("ending")
    if not isinstance(tokens, Tokens):
        tokens = None
    elif len(tokens.completion) != len(tokens.logprobs):
        raise ContractError(
            f'the policy "{policy}" sampled {len(tokens.completion)} tokens and reported the '
            f"log-probability of {len(tokens.logprobs)}",
            hint="give one for each token of `Tokens.completion`, or no `tokens` at all",
        )
    return Reply(
        # A byte-level tokenizer can leave half a character, which SQLite cannot store.
        completion=message.text.encode(errors="replace").decode(),
        tokens_in=usage["input_tokens"] if usage else None,
        tokens_out=usage["output_tokens"] if usage else None,
        tokens=tokens,
        ending=cast(Ending, ending) if ending in get_args(Ending) else "",
    )


def estimate_tokens(messages: Sequence[tuple[str, str]]) -> float:
    """Estimate how many tokens the messages have, from their characters."""
    return sum(len(text) for _, text in messages) / _CHARACTERS_PER_TOKEN
