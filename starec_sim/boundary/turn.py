"""Checks of the turns, messages and tokens of a step."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any, get_args

import numpy as np

from starec_sim.boundary.values import (
    LARGEST,
    BrokenContract,
    choice,
    count,
    finite_number,
    is_plain_text,
    mapping,
    sequence,
    shown,
    text,
    whole_number,
    with_parts,
)
from starec_sim.types import Ending, Messages, Node, Source, Tokens, Turn

_NODES, _SOURCES, _ENDINGS = get_args(Node), get_args(Source), get_args(Ending)
_ROUNDING = 1e-3
"""How far above 0 half-precision arithmetic can end for a token that is certain."""


def checked_turn(value: Any) -> Turn:
    """Return a turn with plain values.

    Args:
        value: A turn of a step.
    """
    if not isinstance(value, Turn):
        raise BrokenContract(
            f"{shown(value)} is among the turns; each must be a Turn",
            "turns are what `await call.policies.ask(...)` returns",
        )
    if _is_plain(value):
        return value
    return with_parts(
        value,
        node=choice(value.node, _NODES, "Turn.node"),
        attempt=count(value.attempt, "Turn.attempt"),
        policy=text(value.policy, "Turn.policy"),
        messages=checked_messages(value.messages, "Turn.messages"),
        completion=text(value.completion, "Turn.completion"),
        tokens_in=None if value.tokens_in is None else count(value.tokens_in, "Turn.tokens_in"),
        tokens_out=None if value.tokens_out is None else count(value.tokens_out, "Turn.tokens_out"),
        latency_s=finite_number(value.latency_s, "Turn.latency_s"),
        error=text(value.error, "Turn.error"),
        tokens=None if value.tokens is None else checked_tokens(value.tokens),
        failure=text(value.failure, "Turn.failure"),
        source=choice(value.source, _SOURCES, "Turn.source"),
        tries=count(value.tries, "Turn.tries"),
        cost_usd=None if value.cost_usd is None else finite_number(value.cost_usd, "Turn.cost_usd"),
        ending=choice(value.ending, _ENDINGS, "Turn.ending"),
    )


def checked_messages(value: Any, what: str) -> Messages:
    """Return messages as pairs of a role and a text.

    Args:
        value: The messages.
        what: What they are, for messages of errors.
    """
    plain = []
    for message in sequence(value, what):
        pair = sequence(message, f"a message of {what}")
        if len(pair) != 2:
            raise BrokenContract(
                f"{what} holds {shown(message)}; each message is a pair of a role and a text"
            )
        plain.append((text(pair[0], "a role"), text(pair[1], "the text of a message")))
    return tuple(plain)


def checked_tokens(value: Any) -> Tokens:
    """Return tokens with plain values: as many log-probabilities as sampled tokens.

    Args:
        value: The tokens that a policy reports with an answer.
    """
    if not isinstance(value, Tokens):
        raise BrokenContract(
            f"the tokens are {shown(value)}; they must be a Tokens",
            "Tokens is imported from starec_sim.types; leave them out where they are unknown",
        )
    completion = _ids(value.completion, "Tokens.completion")
    logprobs = tuple(sequence(value.logprobs, "Tokens.logprobs"))
    if len(logprobs) != len(completion):
        raise BrokenContract(
            f"there are {len(completion)} sampled tokens and {len(logprobs)} log-probabilities",
            "give one for each token of Tokens.completion, or no tokens at all",
        )
    if not all(type(each) is float and -math.inf < each <= 0.0 for each in logprobs):
        logprobs = tuple(_logprob(each) for each in logprobs)
    return with_parts(
        value,
        prompt=_ids(value.prompt, "Tokens.prompt"),
        completion=completion,
        logprobs=logprobs,
        version=text(value.version, "Tokens.version"),
        sampling=mapping(value.sampling, "Tokens.sampling", _setting),
        group=text(value.group, "Tokens.group"),
    )


def _ids(value: Any, what: str) -> tuple[int, ...]:
    ids = tuple(sequence(value, what))
    if set(map(type, ids)) <= {int} and (not ids or min(ids) >= 0):
        return ids
    return tuple(count(each, f"an id in {what}") for each in ids)


def _setting(value: Any, what: str) -> float:
    """Return a number; a whole one stays whole, because seeds are larger than a float can tell."""
    if isinstance(value, int | np.integer):
        return whole_number(value, what)
    return finite_number(value, what)


def _logprob(value: Any) -> float:
    plain = finite_number(value, "a log-probability")
    if plain > _ROUNDING:
        raise BrokenContract(
            f"a log-probability is {plain:g}; none is above 0",
            "give the natural logarithm of the probability that each token was sampled with",
        )
    return plain


def _is_plain(turn: Turn) -> bool:
    """Find out quickly that a turn is right, as nearly every one is."""
    told = (turn.tokens_in, turn.tokens_out)
    return (
        type(turn) is Turn
        and turn.tokens is None
        and turn.cost_usd is None
        and tuple(map(type, (turn.node, turn.source, turn.ending, turn.attempt, turn.tries)))
        == (str, str, str, int, int)
        and turn.node in _NODES
        and turn.source in _SOURCES
        and turn.ending in _ENDINGS
        and 0 <= turn.attempt <= LARGEST
        and 0 <= turn.tries <= LARGEST
        and (told == (None, None) or set(map(type, told)) == {int})
        and 0 <= (turn.tokens_in or 0) <= LARGEST
        and 0 <= (turn.tokens_out or 0) <= LARGEST
        and type(turn.latency_s) is float
        and math.isfinite(turn.latency_s)
        and all(map(is_plain_text, (turn.policy, turn.completion, turn.error, turn.failure)))
        and type(turn.messages) is tuple
        and set(map(type, turn.messages)) <= {tuple}
        and set(map(len, turn.messages)) <= {2}
        and set(map(type, chain.from_iterable(turn.messages))) <= {str}
        and is_plain_text("".join(chain.from_iterable(turn.messages)))
    )
