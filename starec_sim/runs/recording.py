"""A recorded run as a source of answers, for a replay."""

from __future__ import annotations

from contextlib import closing
from functools import lru_cache
from pathlib import Path

from starec_sim.errors import RunError
from starec_sim.policies.gateway import Address
from starec_sim.runs.reader import Reader
from starec_sim.runs.store import FILE, Texts, read_only, told
from starec_sim.runs.turns import select_turns
from starec_sim.types import Turn

_KNOWN_TEXTS = 1024
"""Texts kept unpacked: the instructions that every prompt repeats."""


class Recording:
    """One trial of a recorded run; implements `starec_sim.policies.gateway.replay.Recording`.

    Args:
        folder: The recorded run.
        arm: The arm that is replayed.
        seed: Its seed.

    Raises:
        RunError: The run has no such trial, or cannot be read.
    """

    def __init__(self, folder: Path, arm: str, seed: int) -> None:
        self.name = folder.name
        self._path = folder / FILE
        with closing(Reader(folder)) as reader, told(self._path):
            trials = {(trial.arm, trial.seed): trial.number for trial in reader.trials()}
        if (arm, seed) not in trials:
            has = ", ".join(f'"{name}" with seed {of}' for name, of in trials) or "none"
            raise RunError(
                f'{folder.name} recorded no arm "{arm}" with seed {seed}; it has {has}',
                hint="replay the experiment that was recorded: starec replay RUN",
            )
        self._trial = trials[arm, seed]
        self._db = read_only(folder)
        self._texts = _Texts(self._db)

    def find(self, address: Address) -> Turn | None:
        """Return the turn that was recorded at an address."""
        where = "(t.trial, t.round, t.user, t.step, t.node, t.attempt) = (?, ?, ?, ?, ?, ?)"
        with told(self._path):
            found = select_turns(self._db, self._texts, where, (self._trial, *address))
            return next((turn for _, turn in found), None)

    def nearest(self, address: Address) -> tuple[Address, Turn] | None:
        """Return the recorded turn of the same user and node that comes nearest to an address."""
        with told(self._path):
            place = self._db.execute(
                "SELECT round, user, step, node, attempt FROM turns "
                "WHERE (trial, user, node) = (?, ?, ?) "
                "ORDER BY ABS(round - ?), ABS(step - ?), ABS(attempt - ?) LIMIT 1",
                (self._trial, address.user, address.node, *address[:1], *address[2::2]),
            ).fetchone()
        if place is None:
            return None
        found = Address(*place)
        turn = self.find(found)
        assert turn is not None
        return found, turn

    def close(self) -> None:
        """Close the recorded run."""
        self._db.close()


class _Texts(Texts):
    """Texts that are kept for a while: most prompts begin alike."""

    @lru_cache(maxsize=_KNOWN_TEXTS)  # noqa: B019 (goes with the recording)
    def __getitem__(self, text_id: int) -> str:
        return super().__getitem__(text_id)
