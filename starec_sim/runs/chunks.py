"""Store the visits of many users together, as columns: the form of `record: decisions`.

A chunk holds what some users in a row did in one round. Its column `visits` holds an array for each
figure, its column `steps` the JSON texts of steps, part by part, without prompts and answers. The
texts are those that the digest covers, so what is read back is what was hashed.

A step takes a few tens of bytes, because texts that follow each other are alike.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import zstandard

from starec_sim.runs import codec
from starec_sim.runs.compression import MAX_ARRAYS, read_arrays, unpack_zstd
from starec_sim.runs.facts import VisitFacts
from starec_sim.runs.stored_values import StoredValueError, missing
from starec_sim.types import Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from starec_sim.types import FloatArray, IntArray

_MOST_VISITS = 512
_MOST_CHARACTERS = 4 << 20
"""Visits of a chunk, and characters of its texts: one is decompressed to read one user."""
_PARTS = ("observation", "decision", "feedback", "reason", "turns")
_DECOMPRESSOR = zstandard.ZstdDecompressor()


class StepColumns(NamedTuple):
    """A step as JSON texts, in the order that the digest covers."""

    observation: str
    decision: str
    feedback: str
    slow: int
    reason: str


class ChunkWriter:
    """Collects visits in ascending order of user, and inserts a chunk when enough are there."""

    def __init__(self, db: sqlite3.Connection, trial: int) -> None:
        self._db = db
        self._trial = trial
        self._reset()

    def _reset(self) -> None:
        self._users: list[int] = []
        self._lengths: list[int] = []
        self._facts: list[VisitFacts] = []
        self._texts: dict[str, list[str]] = {part: [] for part in _PARTS}
        self._slow: list[int] = []
        self._summaries: list[int] = []
        self._n_turns = 0
        self._characters = 0

    def add_visit(self, user: int, facts: VisitFacts) -> None:
        """Add a visit; its steps follow."""
        self._users.append(user)
        self._lengths.append(0)
        self._facts.append(facts)

    def add_step(self, columns: StepColumns, summary: int, turns: Sequence[Turn]) -> None:
        """Add a step of the last visit.

        Args:
            columns: Its texts.
            summary: The text of the preference summary after the step.
            turns: The calls of policies, of which prompt and answer are left out.
        """
        texts = self._texts
        texts["observation"].append(columns.observation)
        texts["decision"].append(columns.decision)
        texts["feedback"].append(columns.feedback)
        texts["reason"].append(codec.dumps(columns.reason))
        texts["turns"].append(codec.dumps(list(map(_turn_row, turns))) if turns else "[]")
        self._slow.append(columns.slow)
        self._summaries.append(summary)
        self._lengths[-1] += 1
        self._n_turns += len(turns)
        self._characters += sum(map(len, columns[:3]))

    @property
    def is_full(self) -> bool:
        """Whether the visits so far make a chunk."""
        return len(self._users) >= _MOST_VISITS or self._characters >= _MOST_CHARACTERS

    def insert(self, round: int, figures: Mapping[str, FloatArray]) -> None:
        """Insert the visits so far as a chunk (inside a transaction).

        Args:
            round: The round.
            figures: The metrics of these visits, NaN where there is none.
        """
        import numpy as np

        if not self._users:
            return
        visits = _pack(
            {
                "user": np.array(self._users, np.int32),
                "steps": np.array(self._lengths, np.int32),
                "facts": np.array(self._facts, np.float64).T,
                "names": np.array(list(figures), np.str_),
                "figures": np.array(list(figures.values()), np.float64),
            }
        )
        steps = _pack(
            {
                **{part: _joined(texts) for part, texts in self._texts.items()},
                "slow": np.array(self._slow, np.int8),
                "summary": np.array(self._summaries, np.int64),
            }
        )
        self._db.execute(
            "INSERT INTO chunks VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._trial, round, self._users[0], self._users[-1]),
                *(len(self._users), len(self._slow), self._n_turns, visits, steps),
            ),
        )
        self._reset()

    def discard(self) -> None:
        """Forget the visits that are not inserted, after an error."""
        self._reset()


class VisitColumns:
    """The visits of a chunk, read back.

    Args:
        body: The column `visits`.

    Raises:
        StoredValueError: It is damaged.
    """

    def __init__(self, body: object) -> None:
        import numpy as np

        arrays = _unpack(body, ("user", "steps", "facts", "names", "figures"))
        self.users: IntArray = arrays["user"].astype(np.int64)
        """Rows of users, ascending."""
        self.lengths: IntArray = arrays["steps"].astype(np.int64)
        """Steps of each visit."""
        self.facts: FloatArray = arrays["facts"]
        """Shape (fields of `VisitFacts`, visits)."""
        self.names: list[str] = arrays["names"].tolist()
        self.figures: FloatArray = arrays["figures"].reshape(len(self.names), -1)
        """Shape (names, visits); NaN where a visit has no value."""
        n, m = len(self.users), len(self.names)
        shapes = (self.lengths.shape, self.facts.shape, self.figures.shape if m else (0, n))
        if shapes != ((n,), (len(VisitFacts._fields), n), (m, n)):
            raise StoredValueError(f"chunks.visits: arrays of shapes {shapes} for {n} visits")

    def place(self, user: int) -> int | None:
        """Return the place of a user's visit; None if she did not visit."""
        import numpy as np

        at = int(np.searchsorted(self.users, user))
        return at if at < len(self.users) and self.users[at] == user else None

    def figures_of(self, place: int) -> dict[str, float]:
        """Return the metrics of a visit, those with a value."""
        values = self.figures[:, place].tolist() if self.names else []
        return {name: x for name, x in zip(self.names, values, strict=True) if x == x}  # not NaN


class StepRows:
    """The steps of a chunk, read back.

    Args:
        body: The column `steps`.

    Raises:
        StoredValueError: It is damaged.
    """

    def __init__(self, body: object) -> None:
        arrays = _unpack(body, (*_PARTS, "slow", "summary"))
        self._arrays = arrays
        self.slow: list[int] = arrays["slow"].tolist()
        self.summaries: list[int] = arrays["summary"].tolist()

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """The texts of each part, a JSON value for each step."""
        texts = {part: self._arrays[part].tobytes().decode().split("\n") for part in _PARTS}
        if any(len(of_part) != len(self.slow) for of_part in texts.values()):
            raise StoredValueError("chunks.steps: its parts have different numbers of steps")
        return texts

    def rows(self, steps: slice) -> str:
        """Return some steps as a JSON array of `StepColumns` with the summary's text."""
        texts = self.texts
        parts = (texts[part][steps] for part in _PARTS[:3])
        rows = zip(*parts, self.slow[steps], texts["reason"][steps], self.summaries[steps])  # noqa: B905 (checked)
        return f"[{','.join([f'[{a},{b},{c},{d},{e},{f}]' for a, b, c, d, e, f in rows])}]"

    def turns(self, steps: slice) -> str:
        """Return the calls of some steps as a JSON array, each row with its step in front."""
        found = []
        for number, text in enumerate(self.texts["turns"][steps]):
            if text != "[]":
                found.append(f"[{number},{text}]")
        return f"[{','.join(found)}]"


def chunk_column(db: sqlite3.Connection, chunk: int, column: str) -> object:
    """Return the column `visits` or `steps` of a chunk.

    Raises:
        StoredValueError: There is no such chunk.
    """
    row = db.execute(f"SELECT {column} FROM main.chunks WHERE chunk = ?", (chunk,)).fetchone()
    if row is None:
        raise missing(f"chunk {chunk}")
    return row[0]


def _turn_row(turn: Turn) -> list[Any]:
    """Return a call of a policy without its prompt and answer; seconds to the microsecond."""
    return [
        *(turn.node, turn.attempt, turn.policy, turn.tokens_in, turn.tokens_out),
        *(round(turn.latency_s, 6), turn.error, turn.failure, turn.source, turn.tries),
        *(turn.cost_usd, turn.ending),
    ]


def _joined(texts: Sequence[str]) -> NDArray[np.uint8]:
    # A JSON text has no line break: in strings it is written as \n.
    import numpy as np

    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
    return zstandard.compress(buffer.getvalue())


def _unpack(body: object, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    arrays = read_arrays(io.BytesIO(unpack_zstd(body, _DECOMPRESSOR, MAX_ARRAYS)))
    if lacks := [name for name in names if name not in arrays]:
        raise StoredValueError(f"chunks: there is no array {', '.join(lacks)}")
    return arrays
