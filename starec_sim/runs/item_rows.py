"""The rows of the catalogue in a record."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from starec_sim.runs import codec
from starec_sim.types import Item


def insert_items(
    db: sqlite3.Connection, trial: int, items: Sequence[Item], begin: int = 0
) -> bytes:
    """Insert the items from a row on (inside a transaction).

    Args:
        db: The record.
        trial: Whose catalogue it is.
        items: The whole catalogue.
        begin: The first row that is not in the record.

    Returns:
        What a digest covers of them.
    """
    rows = [
        (row, items[row].id, items[row].title, codec.dump_item(items[row]))
        for row in range(begin, len(items))
    ]
    db.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?)", ((trial, *row) for row in rows))
    return codec.dumps(rows).encode()


def count_items(db: sqlite3.Connection, trial: int) -> int:
    """Return how many items of a trial are in the record."""
    (count,) = db.execute("SELECT COUNT(*) FROM items WHERE trial = ?", (trial,)).fetchone()
    return int(count)
