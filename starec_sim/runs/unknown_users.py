"""The error of an id that no user of a trial has: which users visit there, and where she is."""

from __future__ import annotations

import difflib
import shlex
import sqlite3
from pathlib import Path

from starec_sim.errors import RunError
from starec_sim.runs.chunk_sums import visit_chunks
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.schema import has_chunks

_MAX_NAMED = 20_000
"""Users among whom near names are looked for."""
_SHOWN = {
    "run": "names those with the most slow thinking",
    "training": "names those of the validations for whom learning changed most",
}
"""Which users `starec show` names, by kind of run."""


def unknown_user(
    db: sqlite3.Connection, folder: Path, trial: int, arm: str, user_id: str
) -> RunError:
    """Return the error. Users who visit in the trial are suggested; all while nobody does.

    Args:
        db: The record.
        folder: The run.
        trial: The number of the trial.
        arm: Of the trial.
        user_id: The id.
    """
    rows = db.execute("SELECT user, id FROM users WHERE trial = ? ORDER BY user", (trial,))
    users = {row: str(found) for row, found in rows}
    visitors = _visitors(db, trial)
    ids = [found for row, found in users.items() if row in visitors] or list(users.values())
    near = [found for found in ids if found.casefold() == user_id.casefold()]
    near = near or difflib.get_close_matches(user_id, ids[:_MAX_NAMED], n=3)
    verb = "is" if len(near) == 1 else "are"
    nearest = f"the nearest {verb} {', '.join(near)}; " if near else ""
    who = f'the first who visit in "{arm}" are' if visitors else "the first are"
    elsewhere = db.execute(
        "SELECT arm, seed FROM trials JOIN users USING (trial) WHERE id = ? ORDER BY trial",
        (user_id,),
    ).fetchone()
    hint = "name one of those"
    if elsewhere is not None:
        arm_of, seed = elsewhere
        hint += f", or the trial that has her: --arm {shlex.quote(str(arm_of))} --seed {seed}"
    elif shown := _SHOWN.get(_kind(folder)):
        hint += f"; `starec show {shlex.quote(str(folder))}` {shown}"
    return RunError(
        f'no user of this trial has the id "{user_id}"; {nearest}{who} {", ".join(ids[:8])}',
        hint=hint,
    )


def _visitors(db: sqlite3.Connection, trial: int) -> set[object]:
    """Return the rows of those who visit in a trial."""
    if has_chunks(db):
        return {row for _, _, visits in visit_chunks(db, [trial]) for row in visits.users.tolist()}
    rows = db.execute("SELECT DISTINCT user FROM visits WHERE trial = ?", (trial,))
    return {row for (row,) in rows}


def _kind(folder: Path) -> str:
    try:
        return read_manifest(folder).kind
    except RunError:
        return ""
