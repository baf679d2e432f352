"""Compute the digest of the turns of a step, and of the environment that a trial starts with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from starec_sim.environment import Environment
from starec_sim.runs import codec
from starec_sim.runs.text_hash import text_hash
from starec_sim.types import Turn


class HashedTurns(NamedTuple):
    """What is kept of the turns of a step until its round is committed."""

    hash: bytes
    """SHA-256 of all of them, without times; the digest of the run covers it."""
    errors: tuple[tuple[str, int, str], ...]
    """(node, attempt, error) of each turn whose answer could not be read."""


def hash_turns(turns: Sequence[Turn]) -> HashedTurns:
    """Return the hash of the turns of a step, and their errors."""
    if not turns:
        return _NO_TURNS
    hashed = [
        [
            turn.node,
            turn.attempt,
            turn.policy,
            [[role, text_hash(text).hex()] for role, text in turn.messages],
            text_hash(turn.completion).hex(),
            turn.tokens_in,
            turn.tokens_out,
            turn.error,
            bool(turn.failure),
            # Token ids decide what happens. The last bits of a log-probability depend on the rest
            # of the batch; version and sampling parameters belong to the configuration.
            *([turn.tokens.prompt, turn.tokens.completion] if turn.tokens else ()),
        ]
        for turn in turns
    ]
    return HashedTurns(
        hashlib.sha256(codec.dumps(hashed).encode()).digest(),
        tuple((turn.node, turn.attempt, turn.error) for turn in turns if turn.error),
    )


_NO_TURNS = HashedTurns(hashlib.sha256(b"[]").digest(), ())


def environment_digest(environment: Environment) -> str:
    """Return the SHA-256 of users, their histories, the catalogue and the popularity of items."""
    sha = hashlib.sha256()
    for row, user in enumerate(environment.users):
        history = [[e.item, e.rating, e.source] for e in environment.history(row)]
        sha.update(codec.dumps([user.id, dict(user.profile), history]).encode())
    for item in environment.items:
        sha.update(codec.dumps([item.id, item.title, {**item.attributes, **item.numbers}]).encode())
    sha.update(np.asarray(environment.popularity, np.float64).tobytes())
    return sha.hexdigest()
