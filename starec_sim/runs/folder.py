"""A run's folder: its configuration, its manifest, its lock."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from starec_sim.errors import PausedError, RunError, did_you_mean
from starec_sim.runs.store import FILE, damaged

CONFIG, MANIFEST, LOCK = "config.yaml", "manifest.json", ".lock"
_LOCK_WAIT_S = 0.2
"""Longer than a reader holds the lock to see whether anybody else does."""

_REQUIRED = ("name", "status", "started", "seeds", "arms", "config_sha256")
"""What every manifest says."""

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
    raise RunError(f"{runs_dir} is full of runs named {name}-s{seed}-{stamp}", hint="wait a second")


def find(reference: str, runs_dir: Path) -> Path:
    """Return the folder of a run, given its path, its name, or the unique start of its name.

    Raises:
        RunError: No run, or more than one, goes by that name.
    """
    for folder in (Path(reference), runs_dir / reference):
        if reference and _is_run(folder):
            return folder
    names = [folder.name for folder in listed(runs_dir)]
    if reference == "latest" and names:
        return runs_dir / names[-1]
    matching = [name for name in names if name.startswith(reference)]
    if len(matching) == 1:
        return runs_dir / matching[0]
    if matching:
        shown = ", ".join(matching[:5]) + (", ..." if len(matching) > 5 else "")
        raise RunError(
            f'{len(matching)} runs start with "{reference}": {shown}',
            hint="write more of the name, or `latest`",
        )
    if not names:
        raise RunError(
            f"there are no runs in {runs_dir}",
            hint="start one: starec run experiments/01_quickstart; --runs-dir names another place",
        )
    raise RunError(
        f'there is no run "{reference}" in {runs_dir}; {did_you_mean(reference, names[-5:])}',
        hint="`starec runs` lists them; --runs-dir names another place",
    )


def listed(runs_dir: Path) -> list[Path]:
    """Return the folders of all runs, oldest first; those that cannot be read come before."""
    if not runs_dir.is_dir():
        return []

    def started(folder: Path) -> tuple[str, str]:
        try:
            return str(_manifest(folder)["started"]), folder.name
        except RunError:
            return "", folder.name

    return sorted((folder for folder in runs_dir.iterdir() if _is_run(folder)), key=started)


def _is_run(folder: Path) -> bool:
    """Tell a run, be it a damaged one, from any other folder."""
    return (folder / MANIFEST).is_file() or (folder / FILE).is_file()


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest, its status corrected for a process that was killed.

    Raises:
        RunError: There is no manifest, or it cannot be read.
    """
    manifest = _manifest(folder)
    if manifest["status"] == "running" and not _is_locked(folder):
        manifest["status"] = "interrupted"
    return manifest


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise damaged(path, str(error.strerror)) from error
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if not isinstance(manifest, dict):
        raise damaged(path, "it holds no keys")
    if missing := [key for key in _REQUIRED if key not in manifest]:
        raise damaged(path, f"it lacks {', '.join(missing)}")
    return manifest


def configuration(folder: Path) -> str:
    """Return the text of the run's configuration.

    Raises:
        RunError: It cannot be read.
    """
    try:
        return (folder / CONFIG).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{folder / CONFIG} cannot be read: {error}",
            hint="put the file back as it was; the manifest holds its SHA-256",
        ) from error


def unchanged(folder: Path, manifest: Mapping[str, Any], *, hint: str) -> str:
    """Return the text of the run's configuration, which must be the one that it began with.

    Raises:
        RunError: It cannot be read, or was changed; `hint` says what to do with a changed one.
    """
    text = configuration(folder)
    if hashlib.sha256(text.encode()).hexdigest() != manifest["config_sha256"]:
        raise RunError(f"{folder / CONFIG} was changed after the run began", hint=hint)
    return text


@contextmanager
def ending_noted(manifest: dict[str, Any]) -> Iterator[None]:
    """Put into a manifest why a run did not come to its end."""
    try:
        yield
    except KeyboardInterrupt:
        manifest |= {"status": "paused"}
        raise
    except PausedError as error:
        manifest |= {"status": "paused", "problem": error.message, "go_on": error.options}
        raise
    except BaseException as error:
        manifest |= {"status": "failed", "problem": f"{type(error).__name__}: {error}"}
        raise


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
            hint=f"watch it with: starec show {shlex.quote(str(folder))}",
        ) from None
    except OSError as error:
        raise RunError(
            f"the run {folder.name} cannot be locked: {error.strerror}",
            hint="copy its folder to a place where you may write",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _is_locked(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False  # a folder we may not write to is not one that we run
    try:
        with locked(folder):
            return False
    except RunError:
        return True


@contextmanager
def where_it_started(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Path]:
    """Be in the folder from which a run was started, where its relative paths begin.

    Yields:
        The run's own folder, named from the root.

    Raises:
        RunError: The folder is gone.
    """
    started_in, here = Path(manifest["folder"]), folder.resolve()
    if not started_in.is_dir():
        raise RunError(
            f"the run was started in {started_in}, which is gone; its relative paths begin there",
            hint=f"put the folder back, or correct `folder` in {folder / MANIFEST}",
        )
    with chdir(started_in):
        yield here


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
