"""Create or find the folder of a run, and read its configuration."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from starec_sim.errors import RunError, did_you_mean
from starec_sim.runs.manifest import MANIFEST, Manifest, stored_manifest
from starec_sim.runs.schema import FILE

CONFIG = "config.yaml"
HELD_OUT = "held-out.txt"
"""The users whom a training never trains on, one id a line."""


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
        RunError: There is no such run, or more than one.
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
    """Return the folders of all runs, oldest first; first those with a damaged manifest."""
    if not runs_dir.is_dir():
        return []

    def started(folder: Path) -> tuple[str, str]:
        try:
            return stored_manifest(folder).started, folder.name
        except RunError:
            return "", folder.name

    return sorted((folder for folder in runs_dir.iterdir() if _is_run(folder)), key=started)


def _is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, even a damaged one."""
    return (folder / MANIFEST).is_file() or (folder / FILE).is_file()


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


def read_held_out(folder: Path) -> list[str]:
    """Return the ids of the users whom a training never trains on.

    Raises:
        RunError: The folder holds no training.
    """
    try:
        return (folder / HELD_OUT).read_text("utf-8").splitlines()
    except OSError as error:
        raise RunError(
            f"{folder} does not say who was kept apart: {error}",
            hint="name a training; `starec runs` lists them",
        ) from None


def unchanged(folder: Path, manifest: Manifest, *, hint: str) -> str:
    """Return the text of the run's configuration, which must be the one that it began with.

    Raises:
        RunError: It cannot be read, or was changed; `hint` says what to do with a changed one.
    """
    text = configuration(folder)
    if hashlib.sha256(text.encode()).hexdigest() != manifest.config_sha256:
        raise RunError(f"{folder / CONFIG} was changed after the run began", hint=hint)
    return text


@contextmanager
def where_it_started(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """Change to the working directory in which a run was started, and change back at the end.

    Relative paths in the configuration of the run start in that directory.

    Yields:
        The absolute path of the run's folder.

    Raises:
        RunError: The working directory does not exist any more.
    """
    started_in, here = Path(manifest.folder), folder.resolve()
    if not started_in.is_dir():
        raise RunError(
            f"the run was started in {started_in}, which is gone; its relative paths begin there",
            hint=f"put the folder back, or correct `folder` in {folder / MANIFEST}",
        )
    with chdir(started_in):
        yield here
