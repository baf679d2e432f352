"""The record of a run: one SQLite file.

The file is in WAL mode: one process writes, and any number of processes read at the same time. Long
texts (prompts, answers, summaries) are stored once, under the hash of their content, compressed
with a dictionary of prompt templates and item cards. A `trial` is one arm of the experiment with
one seed; every row belongs to one trial.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import zstandard

from starec_sim.errors import RunError
from starec_sim.runs import facts
from starec_sim.runs.compression import MAX_TEXT, unpack_zlib, unpack_zstd
from starec_sim.runs.levels import RecordLevel, read_level, write_level
from starec_sim.runs.open_record import check_files, limit_work, unlimit_work
from starec_sim.runs.record_errors import damaged, readable_errors
from starec_sim.runs.schema import CHUNKS, FILE, SCHEMA, SCHEMA_VERSION, add_endings, check_schema
from starec_sim.runs.stored_values import StoredType, missing
from starec_sim.runs.text_hash import text_hash
from starec_sim.types import Messages

_MAX_DICTIONARY = 1 << 20
"""Bytes. Of longer texts the end is kept: references to it take fewer bits."""
_MAX_KNOWN_TEXTS = 8_192
"""Ids of texts that the writer keeps in memory at most."""
_MAX_RECENT, _SHORT = 256, 1 << 16
"""Texts that a reader keeps at most, and characters of such a text."""
_MESSAGES = StoredType[list[tuple[str, int]]]("turns.messages", list[tuple[str, int]])


class Store:
    """Writes the record of a run. Only one process does so at a time.

    Args:
        folder: The run's folder.
        phrases: Texts that prompts repeat, for the dictionary of a new file.
        level: How much a new file keeps; another one goes on as it began.

    Raises:
        RunError: The file is damaged, of another version, or cannot be written.
    """

    def __init__(
        self, folder: Path, phrases: Iterable[str] = (), level: RecordLevel = "everything"
    ) -> None:
        self.path = folder / FILE
        check_files(self.path)
        with readable_errors(self.path):
            self.db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                self._open(phrases, level)
                self.level: RecordLevel = read_level(self.db)
            except BaseException:
                self.db.close()
                raise
        self._known_texts: dict[bytes, int] = {}

    def _open(self, phrases: Iterable[str], level: RecordLevel) -> None:
        limit_work(self.db, self.path)
        self.db.execute("PRAGMA journal_mode = WAL")
        # NORMAL never loses a committed transaction to a killed process, only to a power cut.
        self.db.execute("PRAGMA synchronous = NORMAL")
        if not self.db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            with self.transaction():
                for statement in SCHEMA.split(";\n"):
                    self.db.execute(statement)
                self.db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
                dictionary = "\n".join(phrases).encode()[-_MAX_DICTIONARY:]
                self.db.execute("INSERT INTO dictionary VALUES (?)", (zlib.compress(dictionary),))
                facts.create(self.db)
                write_level(self.db, level)
                if level == "decisions":
                    self.db.execute(CHUNKS)
        else:
            check_schema(self.db, self.path)
            # A truncated file can open without an error.
            problem = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise damaged(self.path, problem)
            add_endings(self.db)
            with self.transaction():
                facts.create(self.db)
        unlimit_work(self.db)
        self._compress = zstandard.ZstdCompressor(dict_data=load_dictionary(self.db)).compress

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that the block writes, or nothing if it raises."""
        with readable_errors(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                # If the disk is full, SQLite has rolled back already.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                # These ids may belong to rows that were rolled back.
                self._known_texts.clear()
                raise

    def text(self, text: str) -> int:
        """Return the id of a text, which is stored if it is new (inside a transaction)."""
        key = text_hash(text)
        if key not in self._known_texts:
            if len(self._known_texts) >= _MAX_KNOWN_TEXTS:
                self._known_texts.clear()
            self._known_texts[key] = self._find_or_insert(key, text)
        return self._known_texts[key]

    def _find_or_insert(self, key: bytes, text: str) -> int:
        row = self.db.execute("SELECT id FROM texts WHERE hash = ?", (key,)).fetchone()
        if row:
            return int(row[0])
        body = text.encode()
        if len(body) > MAX_TEXT:
            raise RunError(
                f"a text of {len(body):,} bytes is to be recorded, the most is {MAX_TEXT:,}",
                hint="shorten what the prompts quote, or what a model may answer",
            )
        inserted = self.db.execute(
            "INSERT INTO texts (hash, body) VALUES (?, ?)", (key, self._compress(body))
        )
        assert inserted.lastrowid is not None
        return inserted.lastrowid

    def size_bytes(self) -> int:
        """Return the bytes of the pages of the record."""
        ((pages,), (size,)) = (
            self.db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
        return int(pages) * int(size)

    def close(self) -> None:
        """Close the record, without a WAL file, so that it can be read in a read-only folder."""
        with suppress(sqlite3.Error):  # another process reads, or it is damaged: the WAL file stays
            self.db.execute("PRAGMA busy_timeout = 0")
            self.db.execute("PRAGMA journal_mode = DELETE")
        self.db.close()


class Texts:
    """Reads stored texts by id."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._decompressor = zstandard.ZstdDecompressor(dict_data=load_dictionary(db))
        self._recent: dict[int, str] = {}
        """Short texts that were just read: all turns of a node begin with the same message."""

    def __getitem__(self, text_id: int) -> str:
        text = self._recent.get(text_id)
        if text is None:
            text = self._read(text_id)
            if len(self._recent) >= _MAX_RECENT:
                self._recent.clear()
            if len(text) <= _SHORT:
                self._recent[text_id] = text
        return text

    def _read(self, text_id: int) -> str:
        row = self._db.execute("SELECT body FROM texts WHERE id = ?", (text_id,)).fetchone()
        if row is None:
            raise missing(f"text {text_id}")
        return unpack_zstd(row[0], self._decompressor).decode()

    def messages(self, column: str) -> Messages:
        """Return the (role, text) pairs of a turn from its column `messages`."""
        return tuple((role, self[text_id]) for role, text_id in text_ids(column))


def text_ids(column: str) -> list[tuple[str, int]]:
    """Return the (role, id of a text) pairs of the column `messages`."""
    return _MESSAGES.from_json(column)


def load_dictionary(db: sqlite3.Connection) -> zstandard.ZstdCompressionDict:
    """Return the dictionary of a file's texts."""
    row = db.execute("SELECT body FROM dictionary").fetchone()
    if row is None:
        raise missing("the dictionary of texts")
    return zstandard.ZstdCompressionDict(
        unpack_zlib(row[0], _MAX_DICTIONARY), dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
