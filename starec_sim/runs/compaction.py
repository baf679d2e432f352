"""Compact a finished run: keep less of it, as if it had been recorded with less (decision 129).

The new record is written beside the old one and takes its place by one rename. Whoever kills the
process leaves the old record or the new one, never half of one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from starec_sim.errors import RunError, os_hint
from starec_sim.runs import codec
from starec_sim.runs.atomic_file import flush_folder
from starec_sim.runs.chunk_views import COMPACTED
from starec_sim.runs.chunks import ChunkWriter, StepColumns
from starec_sim.runs.facts import StepParts, count_visit
from starec_sim.runs.folder import SUMMARY
from starec_sim.runs.levels import LEVELS, RecordLevel, write_compacted
from starec_sim.runs.lock import locked
from starec_sim.runs.manifest import Manifest, stored_manifest
from starec_sim.runs.queries import FIGURES
from starec_sim.runs.reader import Reader, reading
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.schema import FILE
from starec_sim.runs.search_index import INDEX
from starec_sim.runs.store import Store, Texts, load_dictionary
from starec_sim.runs.turns import select_outlines
from starec_sim.types import Turn, Verdict

LOST: Mapping[RecordLevel, str] = {
    "decisions": "prompts, answers, tokens, scores of the recommender, what items were truly worth "
    "and what was recalled: no `starec replay`, `fork`, `interview`, asking again, search of "
    "answers, or turns to train on",
    "metrics": "all steps and visits: no `starec why`, `diff`, `search`, `scan`, `export`, pages "
    "of users, intervals over users, or costs by node",
}
"""What can be shown no more after a compaction to a level."""
_PART = ".compacting"
_COPIED = ("trials", "items", "users", "metrics", "rounds", "memories", "sessions", "worlds")
"""Tables that a record has at every level."""


class Compaction(NamedTuple):
    """What a compaction did, or would do."""

    folder: Path
    before: RecordLevel
    after: RecordLevel
    bytes_before: int
    bytes_after: int | None
    """None before it was done."""
    digest: str | None
    """Of the run; it stays as it is."""

    @property
    def lost(self) -> list[str]:
        """What can be shown no more, a line for each level."""
        return [LOST[each] for each in LEVELS if self._goes_through(each)]

    def _goes_through(self, level: RecordLevel) -> bool:
        return LEVELS.index(self.before) < LEVELS.index(level) <= LEVELS.index(self.after)


def plan_compaction(folder: Path, level: RecordLevel) -> Compaction:
    """Return what a compaction would do.

    Args:
        folder: Of the run.
        level: How much is to be kept.

    Raises:
        RunError: The run is not finished, or keeps no more than that.
    """
    manifest = stored_manifest(folder)
    with reading(folder) as reader:
        before = reader.level
    _check(folder, manifest, before, level)
    size = (folder / FILE).stat().st_size
    return Compaction(folder, before, level, size, None, manifest.digest)


def compact(folder: Path, level: RecordLevel) -> Compaction:
    """Keep less of a finished run. What is left out is deleted.

    Args:
        folder: Of the run.
        level: How much is kept.

    Raises:
        RunError: The run is not finished, keeps no more than that, is being read or written, or
            there is no room for the new record beside the old one.
    """
    part = folder / _PART
    with locked(folder):
        plan = plan_compaction(folder, level)
        _close_side_files(folder / FILE)
        try:
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            part.mkdir()
            _write(folder, part, level)
            with (part / FILE).open("rb") as file:
                os.fsync(file.fileno())
            (folder / SUMMARY).unlink(missing_ok=True)  # the new record may have no intervals
            (part / FILE).replace(folder / FILE)
            flush_folder(folder)
            (folder / INDEX).unlink(missing_ok=True)  # it holds texts that are gone
        except OSError as error:
            raise RunError(
                f"{folder.name} was not compacted: {error.strerror or error}; its record is as it "
                "was",
                hint=os_hint(error) or "close what reads the run, and compact it again",
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return plan._replace(bytes_after=(folder / FILE).stat().st_size)


def _check(folder: Path, manifest: Manifest, before: RecordLevel, level: RecordLevel) -> None:
    if manifest.kind != "run":
        raise RunError(
            f"{folder.name} is of the kind {manifest.kind}; only runs are compacted",
            hint="`starec runs` lists the runs with their kinds",
        )
    if manifest.status != "finished":
        raise RunError(
            f"{folder.name} is {manifest.status}, and a resume may need what would be left out",
            hint=f"finish it first: starec resume {shlex.quote(str(folder))}",
        )
    if LEVELS.index(before) >= LEVELS.index(level):
        raise RunError(
            f"{folder.name} keeps `{before}` already, which is no more than `{level}`",
            hint="`starec compact RUN --to metrics` keeps the least"
            if before == "decisions"
            else "there is nothing less to keep",
        )


def _close_side_files(path: Path) -> None:
    """Move what waits in the WAL file into the record: the file would not fit to a new record."""
    with readable_errors(path), closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout = 0")
        try:
            (mode,) = db.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError:
            mode = "wal"
    if mode != "delete":
        raise RunError(
            f"{path.parent.name} is being read by another process",
            hint="close what reads it, such as `starec view`, and compact it again",
        )


def _write(folder: Path, part: Path, level: RecordLevel) -> None:
    """Write the record of a run again, with less of it."""
    with reading(folder) as reader:
        words = load_dictionary(reader.db).as_bytes().decode(errors="ignore")
        with closing(Store(part, [words], level)) as store, store.transaction():
            write_compacted(store.db, level)
            for table in _COPIED:
                _copy(reader.db, store.db, table)
            texts = Texts(reader.db)
            for trial, item, note in reader.db.execute("SELECT trial, item, note FROM notes"):
                row = (trial, item, store.text(texts[note]))
                store.db.execute("INSERT INTO notes VALUES (?, ?, ?)", row)
            if level == "decisions":
                _write_chunks(reader, store, texts)
        _compare(folder, part, level)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    rows = source.execute(f"SELECT * FROM {table}")
    marks = ", ".join("?" for _ in rows.description)
    target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _write_chunks(reader: Reader, store: Store, texts: Texts) -> None:
    """Write the steps of all rounds in chunks."""
    store.text(COMPACTED)
    rounds = reader.db.execute("SELECT trial, round FROM rounds ORDER BY trial, round").fetchall()
    for trial, round in rounds:
        _write_round(reader.db, store, texts, trial, round)


def _write_round(
    db: sqlite3.Connection, store: Store, texts: Texts, trial: int, round: int
) -> None:
    """Write the steps of a round in chunks, as `round_rows` does while a run plays."""
    writer = ChunkWriter(store.db, trial)
    figures, turns = _figures(db, trial, round), _turns(db, trial, round)
    names = list(dict.fromkeys(name for each in figures.values() for name in each))
    users: list[int] = []

    def insert() -> None:
        of_users = {
            name: np.array([figures[user].get(name, np.nan) for user in users]) for name in names
        }
        writer.insert(round, of_users)
        users.clear()

    for user, steps in _visits(db, trial, round):
        users.append(user)
        writer.add_visit(user, count_visit([_parts(columns) for columns, _ in steps]))
        for number, (columns, summary) in enumerate(steps):
            writer.add_step(columns, store.text(texts[summary]), turns.get((user, number), []))
        if writer.is_full:
            insert()
    insert()


def _parts(columns: StepColumns) -> StepParts:
    return (
        codec.load_observation(columns.observation),
        codec.load_decision(columns.decision),
        codec.load_feedback(columns.feedback),
        Verdict(bool(columns.slow), columns.reason),
    )


def _figures(db: sqlite3.Connection, trial: int, round: int) -> dict[int, dict[str, float]]:
    """Return the metrics of each visit of a round, by user."""
    rows = db.execute(
        "SELECT user, figures FROM visits WHERE trial = ? AND round = ? ORDER BY user",
        (trial, round),
    )
    return {user: FIGURES.from_json(figures) for user, figures in rows}


def _turns(db: sqlite3.Connection, trial: int, round: int) -> dict[tuple[int, int], list[Turn]]:
    """Return the calls of a round without their texts, by user and step."""
    found: dict[tuple[int, int], list[Turn]] = {}
    for key, turn in select_outlines(db, "t.trial = ? AND t.round = ?", (trial, round)):
        found.setdefault((key.user, key.step), []).append(turn)
    return found


def _visits(
    db: sqlite3.Connection, trial: int, round: int
) -> Iterator[tuple[int, list[tuple[StepColumns, int]]]]:
    """Yield (user, steps) of a round; a step is its texts, and the text of the summary after it."""
    rows = db.execute(
        "SELECT user, observation, decision, feedback, slow, reason, summary FROM steps "
        "WHERE trial = ? AND round = ? ORDER BY user, step",
        (trial, round),
    )
    for user, steps in groupby(rows, key=itemgetter(0)):
        yield user, [(StepColumns(*columns), summary) for _, *columns, summary in steps]


def _compare(folder: Path, part: Path, level: RecordLevel) -> None:
    """Check the new record before it takes the place of the old one."""
    counted = ["SELECT trial, round, digest FROM rounds ORDER BY trial, round"]
    if level == "decisions":
        counted += [f"SELECT COUNT(*) FROM {table}" for table in ("steps", "visits", "turns")]
    with reading(folder) as old, closing(Reader(part)) as new:
        for query in counted:
            found: list[list[Any]] = [each.db.execute(query).fetchall() for each in (old, new)]
            if found[0] != found[1]:
                raise RunError(
                    f"{folder.name} was not compacted: `{query}` gives {found[1]!r:.80} in the new "
                    f"record and {found[0]!r:.80} in the old one, which stays",
                    hint="report this with the run's manifest.json",
                )
