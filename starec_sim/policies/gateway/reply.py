"""An answer of a chat model, read down to plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from starec_sim.errors import ContractError
from starec_sim.types import Tokens

_CHARACTERS_A_TOKEN = 4
"""Of English text, about; for guesses before a call."""


class Reply(NamedTuple):
    """What came back."""

    completion: str
    tokens_in: int | None
    tokens_out: int | None
    tokens: Tokens | None = None


NO_REPLY = Reply("", None, None)


class Outcome(NamedTuple):
    """What came of a call."""

    reply: Reply | None
    failure: str = ""
    """As in `starec_sim.types.Turn`; empty when there is a reply."""
    tries: int = 0
    """How often the model was asked."""


def read(message: Any, policy: str) -> Reply:
    """Read a chat model's message.

    Third-party models may answer with a message of another kind, which reports nothing.

    Raises:
        ContractError: The model tells more or fewer log-probabilities than tokens.
    """
    usage = getattr(message, "usage_metadata", None)
    tokens = (getattr(message, "response_metadata", None) or {}).get("tokens")
    if not isinstance(tokens, Tokens):
        tokens = None
    elif len(tokens.completion) != len(tokens.logprobs):
        raise ContractError(
            f'the policy "{policy}" sampled {len(tokens.completion)} tokens and told the '
            f"log-probability of {len(tokens.logprobs)}",
            hint="give one for each token of `Tokens.completion`, or no `tokens` at all",
        )
    return Reply(
        # Half a character, which a byte-level tokenizer can leave, could not be stored.
        completion=message.text.encode(errors="replace").decode(),
        tokens_in=usage["input_tokens"] if usage else None,
        tokens_out=usage["output_tokens"] if usage else None,
        tokens=tokens,
    )


def guessed_tokens(messages: Sequence[tuple[str, str]]) -> float:
    """Guess how many tokens a question has."""
    return sum(len(text) for _, text in messages) / _CHARACTERS_A_TOKEN
