"""A file of answers that runs share. The key of an answer holds everything that decides it.

One SQLite file; any number of runs read and write it at once. Answers are written in batches: a
process that is killed loses the last second of them here, and none in the record of its run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import zstandard
from pydantic import AllowInfNan, BaseModel, Field, TypeAdapter, ValidationError

from starec_sim.errors import RunError
from starec_sim.policies.gateway.reply import CallResult, Reply
from starec_sim.settings import explain
from starec_sim.types import Ending, Source, Tokens

_FLUSH_ANSWERS = 64
_FLUSH_S = 1.0
_LOCK_TIMEOUT_S = 30.0
_MAX_ANSWER = 16 << 20
"""Bytes of an answer; files are shared, and a small frame can unfold to gigabytes."""
_FORMAT = 1
"""Part of every key: answers that were stored in another format are not found."""


def cache_key(
    identity: str, messages: Sequence[tuple[str, str]], options: Mapping[str, Any], sample: int
) -> bytes:
    """Return the key of an answer.

    Args:
        identity: `Policy.identity`: model, revision and parameters.
        messages: The question.
        options: Keywords of the call, the seed among them.
        sample: The seed of the call, so that samples of one question differ; 0 where none is drawn.
    """
    parts = [_FORMAT, identity, list(messages), dict(options), sample]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).digest()


_Count = Annotated[int, Field(ge=0, lt=1 << 63)] | None
_Number = Annotated[float, AllowInfNan(False)]


class _StoredTokens(NamedTuple):
    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    logprobs: tuple[_Number, ...]
    version: str
    sampling: dict[str, _Number | None]


class _Stored(NamedTuple):
    completion: str
    tokens_in: _Count
    tokens_out: _Count
    tokens: _StoredTokens | None
    ending: Ending = ""


_STORED = TypeAdapter(_Stored)


class Cache:
    """Answers by key.

    Raises:
        RunError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        self._pending: dict[bytes, bytes] = {}
        self._in_flight: dict[bytes, asyncio.Future[None]] = {}
        self._flushed = time.monotonic()
        self._compress = zstandard.ZstdCompressor().compress
        self._decompress = zstandard.ZstdDecompressor().decompress
        with self._file_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self.path, _LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer BLOB)"
                )
            except BaseException:
                self._db.close()
                raise

    async def get_or_ask(
        self, key: bytes, ask: Callable[[], Awaitable[CallResult]]
    ) -> tuple[CallResult, Source]:
        """Return the answer of a key, or ask for it and keep it.

        A question that is being asked already is not asked again: the caller waits for its answer.
        """
        while (pending := self._in_flight.get(key)) is not None:
            # Shielded: a caller who is cancelled must not cancel it for the others.
            await asyncio.shield(pending)
        cached = self.get(key)
        if cached is not None:
            return CallResult(cached), "cache"
        self._in_flight[key] = asyncio.get_running_loop().create_future()
        try:
            result = await ask()
            if result.reply is not None:
                self.put(key, result.reply)
            return result, "model"
        finally:
            self._in_flight.pop(key).set_result(None)

    def get(self, key: bytes) -> Reply | None:
        """Return the answer of a key, or None."""
        packed = self._pending.get(key)
        if packed is None:
            with self._file_errors():
                row = self._db.execute(
                    "SELECT answer FROM answers WHERE key = ?", (key,)
                ).fetchone()
            if row is None:
                return None
            packed = row[0]
        with self._file_errors():
            stored = self._read(packed)
            tokens = Tokens(**stored.tokens._asdict()) if stored.tokens is not None else None
            return Reply(*stored[:3], tokens, stored.ending)

    def _read(self, packed: object) -> _Stored:
        """Unpack and check an answer: whoever can write the file can write anything into it."""
        if not isinstance(packed, bytes):
            raise ValueError(f"an answer is {packed!r:.40}, and no bytes")
        if not 0 <= (size := zstandard.frame_content_size(packed)) <= _MAX_ANSWER:
            said = f"{size:,} bytes" if size >= 0 else "a size that it does not say"
            raise ValueError(f"an answer has {said}; the bound is {_MAX_ANSWER:,}")
        try:
            return _STORED.validate_json(self._decompress(packed), strict=True)
        except ValidationError as error:
            raise ValueError(explain(error, BaseModel, "answers.answer").message) from None

    def put(self, key: bytes, reply: Reply) -> None:
        """Keep an answer."""
        tokens = reply.tokens and [
            reply.tokens.prompt,
            reply.tokens.completion,
            reply.tokens.logprobs,
            reply.tokens.version,
            dict(reply.tokens.sampling),
        ]
        parts = [reply.completion, reply.tokens_in, reply.tokens_out, tokens]
        # Left out where there is nothing to say, so that earlier versions read the answer too.
        parts += [reply.ending] if reply.ending else []
        self._pending[key] = self._compress(json.dumps(parts).encode())
        if len(self._pending) >= _FLUSH_ANSWERS or time.monotonic() - self._flushed >= _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        self._flushed = time.monotonic()
        if not self._pending:
            return
        with self._file_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                # The first answer stays: other runs may have acted on it.
                self._db.executemany(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?)", self._pending.items()
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        self._pending.clear()

    def close(self) -> None:
        """Write what is pending and close the file."""
        try:
            self.flush()
        finally:
            self._db.close()

    @contextmanager
    def _file_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error, zstandard.ZstdError, ValueError) as error:
            raise RunError(
                f"the cache {self.path} cannot be used: {error}",
                hint="name another file in gateway.cache, or delete this one: it can be refilled",
            ) from error
