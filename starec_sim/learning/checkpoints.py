"""What a training leaves on disk, so that a kill at any moment costs no more than a few steps.

    versions/<name>/       the weights after a step: what plays the next one, and anybody's later
    checkpoints/<step>/    optimizer, schedule and random state after a step; the last two are kept
    rollouts/<step>.json   what a step learns from, written before its round is committed
    steps.jsonl            a line for each step
    held-out.txt           the ids of users who are never trained on, one a line

Folders appear whole: they are written under another name, flushed, and renamed. What was played is
not played again: steps after the last checkpoint are learned once more from their rollouts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError

from starec_sim.errors import RunError
from starec_sim.learning.rollouts import Summary
from starec_sim.learning.rows import Rollout, Row

_STATE, _SEAL = "state.pt", "seal.json"
_HELD_OUT = "held-out.txt"
KEPT = 2
"""Checkpoints; the one before the last is there in case the last is damaged."""


class Checkpoint(NamedTuple):
    """Where a stage of a training stands."""

    step: int
    state: Mapping[str, Any]


class Played(NamedTuple):
    """What a round left to learn from."""

    rollouts: list[Rollout]
    waiting: dict[int, list[Summary]]
    """Summaries that the next round will reward, by user."""


class CheckpointStore:
    """The folders of one training run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put_held_out(self, ids: Sequence[str]) -> None:
        """Note who is never trained on."""
        put_bytes(self.folder / _HELD_OUT, "".join(f"{user}\n" for user in ids).encode())

    # Versions

    def version(self, name: str) -> Path:
        """Return the folder of a version, whether it is there or not."""
        return self.folder / "versions" / name

    def has_version(self, name: str) -> bool:
        """Return whether a version is there, and as it was written."""
        return not _broken(self.version(name))

    def put_version(self, name: str, write: Callable[[Path], None]) -> Path:
        """Keep a version, unless it is there already; a damaged one is written anew."""
        place = self.version(name)
        if not self.has_version(name):
            shutil.rmtree(place, ignore_errors=True)
            with _whole(place) as part:
                write(part)
        return place

    # Checkpoints

    def put_checkpoint(self, stage: str, step: int, state: Mapping[str, Any]) -> None:
        """Keep a checkpoint, and let the older ones go."""
        import torch

        place = self.folder / "checkpoints" / f"{stage}-{step:06d}"
        if _broken(place):
            shutil.rmtree(place, ignore_errors=True)
            with _whole(place) as part:
                torch.save(dict(state), part / _STATE)
        for old in self._checkpoints(stage)[:-KEPT]:
            shutil.rmtree(old)

    def last_checkpoint(self, stage: str, say: Callable[[str], None]) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, and its version too; None if none ever was.

        Args:
            stage: `anchor` or `grpo`.
            say: Is told of a damaged one, from before which the training goes on.

        Raises:
            RunError: All of them are damaged.
        """
        import torch

        problems = []
        for place in reversed(self._checkpoints(stage)):
            if problem := self._problem(place):
                problems.append(problem)
                say(f"The checkpoint {place} is damaged: {problem}. The one before it is used.")
                continue
            state = torch.load(place / _STATE, map_location="cpu", weights_only=True)
            return Checkpoint(int(place.name.rpartition("-")[2]), state)
        if problems:
            raise RunError(
                f"all checkpoints in {self.folder / 'checkpoints'} are damaged: {problems[0]}",
                hint=f"start anew from the last version in {self.folder / 'versions'}, which is "
                "named in steps.jsonl",
            )
        return None

    def _problem(self, place: Path) -> str:
        """Say what is wrong with a checkpoint, or with the weights that it belongs to."""
        if problem := _broken(place):
            return problem
        stage, _, step = place.name.rpartition("-")
        version = self.version(f"anchor-{step}" if stage == "anchor" else step)
        problem = _broken(version)
        return f"of its weights {version}, {problem}" if problem else ""

    def _checkpoints(self, stage: str) -> list[Path]:
        place = self.folder / "checkpoints"
        return sorted(path for path in place.glob(f"{stage}-??????") if path.is_dir())

    # Rollouts

    def put_played(self, step: int, played: Played) -> None:
        """Keep what a round left to learn from."""
        values = {
            "rollouts": [rollout.as_json() for rollout in played.rollouts],
            "waiting": {
                str(user): [asdict(summary) for summary in summaries]
                for user, summaries in played.waiting.items()
            },
        }
        data = zlib.compress(json.dumps(values).encode(), 1)
        put_bytes(self._played(step), data)

    def played(self, step: int) -> Played | None:
        """Return what a round left to learn from; None if it was never played to its end.

        Raises:
            RunError: The file is damaged.
        """
        path = self._played(step)
        if not path.is_file():
            return None
        try:
            values = json.loads(zlib.decompress(path.read_bytes()))
            return Played(
                [Rollout.from_json(each) for each in values["rollouts"]],
                {
                    int(user): [_summary(each) for each in summaries]
                    for user, summaries in values["waiting"].items()
                },
            )
        except (OSError, ValueError, KeyError, zlib.error) as error:
            raise RunError(
                f"the rollouts {path} are damaged: {error}",
                hint="put the file back as it was; the training cannot go on without it",
            ) from error

    def _played(self, step: int) -> Path:
        return self.folder / "rollouts" / f"{step:06d}.json.z"

    # Steps

    def log(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the log of steps."""
        with (self.folder / "steps.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def logged(self) -> list[dict[str, Any]]:
        """Return the log; a line that a kill cut short is no line."""
        path = self.folder / "steps.jsonl"
        entries = []
        for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
        return entries

    def keep_logged(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the lines of steps that will be made again."""
        lines = [json.dumps(entry) + "\n" for entry in self.logged() if keep(entry)]
        put_bytes(self.folder / "steps.jsonl", "".join(lines).encode())


def read_held_out(folder: Path) -> list[str]:
    """Return the ids of the users who a training never trains on.

    Raises:
        RunError: The folder holds no training.
    """
    try:
        return (folder / _HELD_OUT).read_text("utf-8").splitlines()
    except OSError as error:
        raise RunError(
            f"{folder} does not say who was kept apart: {error}",
            hint="name a training; `starec runs` lists them",
        ) from None


def put_bytes(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all.

    Raises:
        RunError: There is no room for it, or no permission.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unwritten(path, error) from error


@contextmanager
def _whole(place: Path) -> Iterator[Path]:
    """Fill a folder under another name, seal it, and rename it once it is on disk."""
    part = place.with_name(place.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        seal = {}
        for path in sorted(path for path in part.rglob("*") if path.is_file()):
            seal[str(path.relative_to(part))] = _digest(path)
        (part / _SEAL).write_text(json.dumps(seal, indent=1))
        for path in (*(part / name for name in seal), part / _SEAL):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        part.replace(place)
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        # torch and safetensors wrap what the disk says in errors of their own.
        raise _unwritten(place, error) from error


def _unwritten(place: Path, error: Exception) -> RunError:
    why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return RunError(
        f"{place} cannot be written: {why}",
        hint="make room or choose another disk, and resume; everything committed is kept",
    )


def _broken(place: Path) -> str:
    """Say what is wrong with a sealed folder, or that there is none; nothing if all is well."""
    try:
        seal = json.loads((place / _SEAL).read_text("utf-8"))
    except (OSError, ValueError) as error:
        return f"{_SEAL}: {error}"
    for name, digest in seal.items():
        path = place / name
        if not path.is_file():
            return f"{name} is missing"
        if _digest(path) != digest:
            return f"{name} is not what was written there"
    return ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _summary(values: Mapping[str, Any]) -> Summary:
    rows = tuple(map(Row.from_json, values["rows"]))
    return Summary(**{**values, "rows": rows, "told": tuple(values["told"])})
