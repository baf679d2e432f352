"""A run's folder: its configuration, its manifest, its lock."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from starec_sim.errors import RunError, did_you_mean

CONFIG, MANIFEST, LOCK = "config.yaml", "manifest.json", ".lock"
_LOCK_WAIT_S = 0.2
"""Longer than a reader holds the lock to see whether anybody else does."""

_PACKAGES = (
    "starec-sim",
    "langgraph",
    "langchain-core",
    "openai",
    "numpy",
    "scipy",
    "implicit",
    "torch",
    "transformers",
    "peft",
)


def create(runs_dir: Path, name: str, seed: int) -> Path:
    """Create a new folder for a run.

    Raises:
        RunError: The folder cannot be written.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        for attempt in range(1000):
            suffix = f"-{attempt + 1}" if attempt else ""
            folder = runs_dir / f"{name}-s{seed}-{stamp}{suffix}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise RunError(
            f"no run can be written to {runs_dir}: {error.strerror}",
            hint="choose another place with --set runs_dir=PATH",
        ) from error
    raise RunError(f"{runs_dir} is full of runs named {name}-s{seed}-{stamp}")


def find(reference: str, runs_dir: Path) -> Path:
    """Return the folder of a run, given its path, its name, or the unique start of its name.

    Raises:
        RunError: No run, or more than one, goes by that name.
    """
    for folder in (Path(reference), runs_dir / reference):
        if (folder / MANIFEST).is_file():
            return folder
    names = [folder.name for folder in listed(runs_dir)]
    matching = [name for name in names if name.startswith(reference)]
    if reference == "latest" and names:
        return runs_dir / names[-1]
    if len(matching) == 1:
        return runs_dir / matching[0]
    if matching:
        raise RunError(
            f'{len(matching)} runs start with "{reference}": {", ".join(matching[:5])}',
            hint="write more of the name, or `latest`",
        )
    raise RunError(
        f'there is no run "{reference}" in {runs_dir}; {did_you_mean(reference, names[-20:])}',
        hint="`starec runs` lists them; --runs-dir names another place",
    )


def listed(runs_dir: Path) -> list[Path]:
    """Return the folders of all runs, oldest first."""
    if not runs_dir.is_dir():
        return []
    folders = [folder for folder in runs_dir.iterdir() if (folder / MANIFEST).is_file()]
    return sorted(folders, key=lambda folder: (str(read(folder).get("started")), folder.name))


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest, its status corrected for a process that was killed.

    Raises:
        RunError: There is no manifest, or it cannot be read.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / MANIFEST} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise RunError(f"{folder / MANIFEST} is not a manifest")
    if manifest.get("status") == "running" and not _is_locked(folder):
        manifest["status"] = "interrupted"
    return manifest


def write(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest; a reader sees the old one or the new one, never half of it."""
    put_file(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def put_file(path: Path, text: str) -> None:
    """Write a small file whole."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run; the lock goes with the process, however it ends.

    Raises:
        RunError: Another process holds it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=_LOCK_WAIT_S)
    except Timeout:
        raise RunError(
            f"the run {folder.name} is in progress in another process",
            hint=f"watch it with `starec show {folder}`",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _is_locked(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except RunError:
        return True
    except OSError:  # a folder we may not write to is not one that we run
        return False


def surroundings() -> dict[str, Any]:
    """Return what a run was made with: versions, platform, state of the code."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    """Return commit and cleanliness of the checkout this code runs from, if it is one."""
    here = Path(__file__).resolve()

    def ask(*command: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *command],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        ).stdout.strip()

    try:
        # An installed copy may lie inside somebody else's checkout; that one says nothing of us.
        ask("ls-files", "--error-unmatch", here.name)
        return {"commit": ask("rev-parse", "HEAD"), "clean": not ask("status", "--porcelain")}
    except (OSError, subprocess.SubprocessError):
        return None
