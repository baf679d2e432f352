"""What a training writes. A training that is killed loses no more than a few steps.

    versions/<name>/        the weights after a step; the next round is played with them
    checkpoints/<step>/     optimizer, schedule and random state after a step; the last two are kept
    rollouts/<step>.json.z  what a step learns from, written before its round is committed
    steps.jsonl             a line for each step
    held-out.txt            the ids of users who are never trained on, one a line

A folder is complete or does not exist. Rounds that were played are not played again: steps after
the last checkpoint are learned once more from their rollouts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import (
    Any,
    Literal,
    NamedTuple,
    NotRequired,  # pydantic refuses those of Python 3.11
)

from pydantic import ConfigDict
from typing_extensions import TypedDict

from starec_sim.errors import RunError
from starec_sim.learning.rollouts import PendingSummary
from starec_sim.learning.rows import Rollout
from starec_sim.learning.sealed_folders import damage, put_bytes, sealed_folder
from starec_sim.runs.compression import MAX_ROLLOUTS, unpack_zlib
from starec_sim.runs.folder import HELD_OUT
from starec_sim.runs.record_errors import damaged, readable_errors
from starec_sim.runs.regular_file import read_bytes, read_text
from starec_sim.runs.stored_values import Row, StoredType
from starec_sim.visible_text import visible_line

_STATE = "state.pt"
KEPT = 2
"""Checkpoints that are kept: the last one, and the one before in case the last is damaged."""


_MAX_LOG = 256 << 20
"""Bytes of the log of steps that are read."""


class _StoredRound(TypedDict):
    rollouts: list[Rollout]
    pending: dict[str, list[PendingSummary]]


class _StoredInterval(TypedDict):
    mean: float
    low: float
    high: float


class _StoredChange(TypedDict):
    before: _StoredInterval
    after: _StoredInterval
    change: _StoredInterval
    p: float
    users: int


class _StoredEntry(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    stage: Literal["sft", "grpo", "dpo"]
    step: Row
    validation: NotRequired[dict[str, _StoredInterval]]
    audits: NotRequired[dict[str, dict[str, _StoredInterval]]]
    changes: NotRequired[dict[str, _StoredChange]]


_ROUND = StoredType[_StoredRound]("rollouts", _StoredRound)
_ENTRY = StoredType[dict[str, Any]]("steps.jsonl", _StoredEntry)


class TrainingCheckpoint(NamedTuple):
    """The state of a stage after a step."""

    step: int
    state: Mapping[str, Any]


class RoundRollouts(NamedTuple):
    """What is learned from one round."""

    rollouts: list[Rollout]
    pending: dict[int, list[PendingSummary]]
    """Summaries that the next round will reward, by user."""


class CheckpointStore:
    """The folders of one training run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put_held_out(self, ids: Sequence[str]) -> None:
        """Write the ids of the users who are never trained on."""
        put_bytes(self.folder / HELD_OUT, "".join(f"{user}\n" for user in ids).encode())

    # Versions of the weights

    def version(self, name: str) -> Path:
        """Return the folder of a version; it need not exist."""
        return self.folder / "versions" / name

    def has_version(self, name: str) -> bool:
        """Return whether a version exists and is undamaged."""
        return not damage(self.version(name))

    def put_version(self, name: str, write: Callable[[Path], None]) -> Path:
        """Write a version unless it exists; a damaged one is written again."""
        place = self.version(name)
        if not self.has_version(name):
            shutil.rmtree(place, ignore_errors=True)
            with sealed_folder(place) as part:
                write(part)
        return place

    # Checkpoints

    def put_checkpoint(self, stage: str, step: int, state: Mapping[str, Any]) -> None:
        """Write a checkpoint and delete all but the last `KEPT`."""
        import torch

        place = self.folder / "checkpoints" / f"{stage}-{step:06d}"
        if damage(place):
            shutil.rmtree(place, ignore_errors=True)
            with sealed_folder(place) as part:
                torch.save(dict(state), part / _STATE)
        for old in self._checkpoints(stage)[:-KEPT]:
            shutil.rmtree(old)

    def last_checkpoint(self, stage: str, warn: Callable[[str], None]) -> TrainingCheckpoint | None:
        """Return the newest checkpoint that, like its weights, is undamaged; None without one.

        Args:
            stage: `sft`, `grpo` or `dpo`.
            warn: Called with a line about each damaged checkpoint.

        Raises:
            RunError: All of them are damaged.
        """
        import torch

        problems = []
        for place in reversed(self._checkpoints(stage)):
            if problem := self._problem(place):
                problems.append(problem)
                warn(f"The checkpoint {place} is damaged: {problem}. The one before it is used.")
                continue
            state = torch.load(place / _STATE, map_location="cpu", weights_only=True)
            return TrainingCheckpoint(int(place.name.rpartition("-")[2]), state)
        if problems:
            raise RunError(
                f"all checkpoints in {self.folder / 'checkpoints'} are damaged: {problems[0]}",
                hint=f"start anew from the last version in {self.folder / 'versions'}, which is "
                "named in steps.jsonl",
            )
        return None

    def _problem(self, place: Path) -> str:
        """Return what is wrong with a checkpoint or with its weights; "" if nothing is."""
        if problem := damage(place):
            return problem
        stage, _, step = place.name.rpartition("-")
        version = self.version(f"sft-{step}" if stage == "sft" else step)
        problem = damage(version)
        return f"of its weights {version}, {problem}" if problem else ""

    def _checkpoints(self, stage: str) -> list[Path]:
        place = self.folder / "checkpoints"
        return sorted(path for path in place.glob(f"{stage}-??????") if path.is_dir())

    # Rollouts

    def save_rollouts(self, step: int, rollouts: RoundRollouts) -> None:
        """Write what a step learns from."""
        values = {
            "rollouts": [rollout.as_json() for rollout in rollouts.rollouts],
            "pending": {
                str(user): [asdict(summary) for summary in summaries]
                for user, summaries in rollouts.pending.items()
            },
        }
        data = zlib.compress(json.dumps(values).encode(), 1)
        put_bytes(self._rollouts_file(step), data)

    def rollouts(self, step: int) -> RoundRollouts | None:
        """Return what a step learns from; None if its round was not played to its end.

        Raises:
            RunError: The file is damaged.
        """
        path = self._rollouts_file(step)
        if not path.is_file():
            return None
        try:
            stored = _ROUND.from_json(unpack_zlib(read_bytes(path, MAX_ROLLOUTS), MAX_ROLLOUTS))
            pending = {int(user): summaries for user, summaries in stored["pending"].items()}
        except (OSError, ValueError, zlib.error) as error:
            raise RunError(
                f"the rollouts {path} are damaged: {visible_line(str(error))}",
                hint="put the file back as it was; the training cannot go on without it",
            ) from error
        return RoundRollouts(stored["rollouts"], pending)

    def _rollouts_file(self, step: int) -> Path:
        return self.folder / "rollouts" / f"{step:06d}.json.z"

    # Steps

    def log(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the log of steps."""
        path = self.folder / "steps.jsonl"
        if path.is_symlink():
            raise damaged(path, "it is a symbolic link, not a regular file")
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def logged(self) -> list[dict[str, Any]]:
        """Return the log, without a last line that a kill cut short."""
        path = self.folder / "steps.jsonl"
        if not os.path.lexists(path):
            return []
        entries = []
        with readable_errors(path):
            for line in read_text(path, _MAX_LOG).splitlines():
                with contextlib.suppress(ValueError):
                    json.loads(line)
                    entries.append(line)
            return [_ENTRY.from_json(line) for line in entries]

    def keep_logged(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the lines that `keep` refuses: those of steps that are made again."""
        lines = [json.dumps(entry) + "\n" for entry in self.logged() if keep(entry)]
        put_bytes(self.folder / "steps.jsonl", "".join(lines).encode())
