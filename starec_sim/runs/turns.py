"""Store turns and read them back, with their tokens where the policy reports them.

Token ids are stored as 32-bit integers, compressed to about a third. Log-probabilities are stored
in single precision, uncompressed, because they do not compress.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import zstandard

from starec_sim.runs import codec
from starec_sim.runs.compression import unpack_zstd
from starec_sim.runs.schema import has_endings
from starec_sim.runs.store import Store, Texts
from starec_sim.runs.stored_values import Amount, Count, Number, Row, StoredType, StoredValueError
from starec_sim.types import CallKey, Ending, Node, Source, Tokens, Turn

TokensRow = tuple[str, str, str, bytes, bytes, bytes]
"""`version`, `sampling`, `group`, `prompt`, `completion`, `logprobs` of the table `tokens`."""

_TURN = StoredType[tuple[Any, ...]](
    "turns",
    tuple[
        Count, Row, Row, Node, Row,  # the key; an audit numbers its questions by hashes
        str, str, int,  # policy, messages, completion
        Count | None, Count | None, Amount,  # tokens_in, tokens_out, latency_s
        str, str, Source, Count, Amount | None,  # error, failure, source, tries, cost_usd
        Ending,
        str | None, str | None, str | None, bytes | None, bytes | None, bytes | None,  # tokens
    ],
)  # fmt: skip
_SAMPLING = StoredType[dict[str, float]]("tokens.sampling", dict[str, Number | None])

_DECOMPRESSOR = zstandard.ZstdDecompressor()
_READ = """
SELECT t.round, t.user, t.step, t.node, t.attempt, t.policy, t.messages, t.completion, t.tokens_in,
    t.tokens_out, t.latency_s, t.error, t.failure, t.source, t.tries, t.cost_usd, {ending},
    k.version, k.sampling, k."group", k.prompt, k.completion, k.logprobs
FROM turns t LEFT JOIN tokens k USING (trial, round, user, step, node, attempt)
"""
_KEY_END, MESSAGES, _TOKENS = 5, 6, 17
"""Columns of `_READ`: the first after the key, that of the messages, the first of the tokens."""


def dump_tokens(tokens: Tokens) -> TokensRow:
    """Encode the tokens of a turn."""
    import numpy as np

    return (
        tokens.version,
        codec.dumps(dict(tokens.sampling)),
        tokens.group,
        _dump_ids(tokens.prompt),
        _dump_ids(tokens.completion),
        np.asarray(tokens.logprobs, "<f4").tobytes(),
    )


def load_tokens(row: TokensRow) -> Tokens:
    """Decode what `dump_tokens` wrote; log-probabilities in single precision come back exactly."""
    version, sampling, group, prompt, completion, logprobs = row
    return Tokens(
        prompt=_load_ids(prompt),
        completion=_load_ids(completion),
        logprobs=_numbers(logprobs, "<f4"),
        version=version,
        sampling=_SAMPLING.from_json(sampling),
        group=group,
    )


def insert_turn(store: Store, trial: int, key: CallKey, turn: Turn) -> None:
    """Store a turn (inside a transaction).

    Raises:
        sqlite3.IntegrityError: A turn is stored under this key already.
    """
    messages = [[role, store.text(text)] for role, text in turn.messages]
    row = (
        trial,
        *key,
        turn.policy,
        codec.dumps(messages),
        store.text(turn.completion),
        turn.tokens_in,
        turn.tokens_out,
        turn.latency_s,
        turn.failure,
        turn.source,
        turn.tries,
        turn.cost_usd,
        turn.ending,
    )
    marks = "?, " * (len(row) - 5)
    store.db.execute(f"INSERT INTO turns VALUES ({marks}'', ?, ?, ?, ?, ?)", row)
    if turn.tokens is not None:
        store.db.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (trial, *key, *dump_tokens(turn.tokens)),
        )


def select_turns(
    db: sqlite3.Connection, texts: Texts, where: str, values: Sequence[int | str]
) -> Iterator[tuple[CallKey, Turn]]:
    """Yield turns in order of their keys.

    Args:
        db: The record.
        texts: Its texts.
        where: An SQL condition on the turns `t`, with `?` for the values.
        values: The values, one for each `?`.
    """
    for row in select_rows(db, where, values):
        key = CallKey(*row[:_KEY_END])
        yield key, load_turn(row, texts.messages(row[MESSAGES]), texts)


def select_outlines(
    db: sqlite3.Connection, where: str, values: Sequence[int | str]
) -> Iterator[tuple[CallKey, Turn]]:
    """Yield turns without their texts and tokens; see `select_turns`."""
    for row in select_rows(db, where, values):
        columns, no_tokens = row[:_TOKENS], (None,) * (len(row) - _TOKENS)
        no_text = {columns[MESSAGES + 1]: ""}
        yield CallKey(*row[:_KEY_END]), load_turn((*columns, *no_tokens), (), no_text)


def select_rows(
    db: sqlite3.Connection, where: str, values: Sequence[int | str]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of turns without reading their texts; see `select_turns`."""
    order = "ORDER BY t.round, t.user, t.step, t.node, t.attempt"
    read = _READ.format(ending="t.ending" if has_endings(db) else "''")
    return map(_TURN.from_row, db.execute(f"{read} WHERE {where} {order}", values))


def load_turn(
    row: tuple[Any, ...],
    messages: tuple[tuple[str, str], ...],
    texts: Texts | Mapping[int, str],
) -> Turn:
    """Return the turn of a row.

    Args:
        row: As `select_rows` yields it.
        messages: The turn's messages.
        texts: The texts of the record, for the completion.
    """
    key = CallKey(*row[:_KEY_END])
    policy, _, completion, tokens_in, tokens_out, latency_s, *rest = row[_KEY_END:_TOKENS]
    error, failure, source, tries, cost_usd, ending = rest
    return Turn(
        key.node,
        key.attempt,
        policy,
        messages,
        texts[completion],
        tokens_in,
        tokens_out,
        latency_s,
        error,
        None if row[_TOKENS] is None else load_tokens(row[_TOKENS:]),
        failure,
        source,
        tries,
        cost_usd,
        ending,
    )


def _dump_ids(ids: Sequence[int]) -> bytes:
    import numpy as np

    return zstandard.compress(np.asarray(ids, "<i4").tobytes())


def _load_ids(blob: bytes) -> tuple[int, ...]:
    return _numbers(unpack_zstd(blob, _DECOMPRESSOR), "<i4")


def _numbers(data: bytes, kind: str) -> tuple[Any, ...]:
    import numpy as np

    try:
        return tuple(np.frombuffer(data, kind).tolist())
    except ValueError as error:
        raise StoredValueError(f"tokens: {error}") from None
