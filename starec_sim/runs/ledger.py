"""The cost ledger of a run: counts, costs and failures of its policy calls, from its record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from starec_sim.runs.schema import has_endings
from starec_sim.runs.store import Texts
from starec_sim.runs.stored_values import Amount, Count, StoredType
from starec_sim.runs.text_hash import text_hash

_PARSING = "parsing"
_EMPTY = "empty"
_CHARACTERS_PER_TOKEN = 10
"""More than any tokenizer puts into one token of a text: English has 4 to 5."""
_LONGEST = 20
"""Prompts of a policy that are compared with their number of tokens: those with most tokens."""


_ENTRY = StoredType[tuple[Any, ...]](
    "turns",
    tuple[
        str, str, Count, Count, Count, Count,  # node, policy, calls, cache_hits, replayed, requests
        Count | None, Count | None, Amount, Amount | None, Count,  # tokens, seconds, usd, failed
    ],
)  # fmt: skip
_FAILURE = StoredType[tuple[str, str, int, str]]("turns", tuple[str, str, Count, str])
_LONG_PROMPT = StoredType[tuple[str, int]]("turns", tuple[str, Count])


class LedgerEntry(NamedTuple):
    """The calls of one node and policy."""

    node: str
    policy: str
    calls: int
    """Questions, whether a model, the cache or a recording answered them."""
    cache_hits: int
    replayed: int
    requests: int
    """Requests sent to the model, retries included; answers of cache or recording do not count."""
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    """Sum of the latencies of the calls, some of which ran at the same time."""
    cost_usd: float | None
    """None where the configuration has no price for the policy."""
    failed: int
    """Calls without an answer."""


class CallFailure(NamedTuple):
    """Calls of one policy that failed for one cause."""

    cause: str
    """`endpoint`, `overload`, `time-out`, `refused`: there is no answer. `length`,
    `content_filter`, `refusal`, `tool_calls`, `reasoning`: the answer could not be read, because it
    ended so (`starec_sim.types.Ending`). `empty`: it has no text. `parsing`: it could not be read.
    """
    policy: str
    turns: int
    example: str
    """The message of one of them."""


class CutPrompt(NamedTuple):
    """A prompt of which an endpoint probably read a part only: it reports too few tokens."""

    policy: str
    tokens: int
    """As the endpoint reports them."""
    characters: int


class Ledger(NamedTuple):
    """The cost ledger of a run."""

    entries: tuple[LedgerEntry, ...]
    failures: tuple[CallFailure, ...]
    cut_prompts: tuple[CutPrompt, ...] = ()

    def total(self, column: str) -> float:
        """Return the sum of a column of the entries."""
        return sum(getattr(entry, column) or 0 for entry in self.entries)

    def as_json(self) -> dict[str, Any]:
        """Return the cost ledger as JSON values."""
        return {
            "calls": [entry._asdict() for entry in self.entries],
            "failures": [failure._asdict() for failure in self.failures],
            "cut_prompts": [prompt._asdict() for prompt in self.cut_prompts],
        }


def read_ledger(db: sqlite3.Connection) -> Ledger:
    """Return the cost ledger of a run, from the turns that are committed."""
    entries = db.execute(
        "SELECT node, policy, SUM(calls), SUM(cache_hits), SUM(replayed), SUM(requests), "
        "SUM(tokens_in), SUM(tokens_out), SUM(seconds), SUM(cost_usd), SUM(failed) "
        "FROM ledger GROUP BY node, policy ORDER BY node, policy"
    )
    return Ledger(
        tuple(LedgerEntry(*_ENTRY.from_row(row)) for row in entries),
        (*_unanswered(db), *_unread(db)),
        tuple(_cut_prompts(db)),
    )


def _unanswered(db: sqlite3.Connection) -> list[CallFailure]:
    rows = db.execute(
        "SELECT substr(failure, 1, instr(failure, ':') - 1) AS cause, policy, COUNT(*), "
        "MIN(substr(failure, instr(failure, ':') + 2)) "
        "FROM turns WHERE failure != '' GROUP BY cause, policy ORDER BY cause, policy"
    )
    return [CallFailure(*_FAILURE.from_row(row)) for row in rows]


def _unread(db: sqlite3.Connection) -> list[CallFailure]:
    """Return the answers that could not be read, those that a repair call replaced included."""
    ending = "ending" if has_endings(db) else "''"
    rows = db.execute(
        f"SELECT CASE WHEN {ending} != '' THEN {ending} "
        "WHEN completion = (SELECT id FROM texts WHERE hash = ?) THEN ? ELSE ? END "
        "AS cause, policy, COUNT(*), MIN(error) "
        "FROM turns WHERE failure = '' AND error != '' GROUP BY cause, policy "
        "ORDER BY cause, policy",
        (text_hash(""), _EMPTY, _PARSING),
    )
    return [CallFailure(*_FAILURE.from_row(row)) for row in rows]


def _cut_prompts(db: sqlite3.Connection) -> Iterator[CutPrompt]:
    """Yield for each policy a prompt of which the endpoint read a part only, if there is one.

    A server that cuts prompts to its context reports no more tokens than fit there. So the prompts
    with most tokens tell whether it does.
    """
    texts = Texts(db)
    for (policy,) in db.execute("SELECT DISTINCT policy FROM turns ORDER BY policy").fetchall():
        longest = db.execute(
            "SELECT messages, tokens_in FROM turns WHERE policy = ? AND tokens_in > 0 "
            "AND source = 'model' ORDER BY tokens_in DESC LIMIT ?",
            (policy, _LONGEST),
        ).fetchall()
        for messages, tokens in map(_LONG_PROMPT.from_row, longest):
            characters = sum(len(text) for _, text in texts.messages(messages))
            if characters > _CHARACTERS_PER_TOKEN * tokens:
                yield CutPrompt(policy, tokens, characters)
                break
