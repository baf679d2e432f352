"""Create or find the folder of a run, and read its configuration."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from starec_sim.errors import RunError, did_you_mean, os_hint
from starec_sim.runs.atomic_file import flush_folder
from starec_sim.runs.lock import is_locked, locked
from starec_sim.runs.manifest import MANIFEST, Manifest, stored_manifest
from starec_sim.runs.regular_file import read_text, reason
from starec_sim.runs.schema import FILE
from starec_sim.visible_text import has_control_characters, visible_line

CONFIG = "config.yaml"
HELD_OUT = "held-out.txt"
"""The users whom a training never trains on, one id a line."""
SUMMARY = "summary.json"
"""The report of a run, kept so that it is computed once."""
_STARTING = ".starting-"
"""The beginning of the temporary name of a run that has not begun."""


@contextmanager
def starting(runs_dir: Path) -> Iterator[Path]:
    """Make a folder under a temporary name, in which the files of a new run are written.

    It is locked, so that `leftovers` can tell it from the folder of a process that was killed.

    Raises:
        RunError: It cannot be written.
    """
    if has_control_characters(str(runs_dir)):
        raise RunError(
            f'the folder of runs "{visible_line(str(runs_dir))}" has a line break or another '
            "control character in its name",
            hint="name another place: `runs_dir` of an experiment, or --runs-dir of eval and audit",
        )
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        part = runs_dir / f"{_STARTING}{os.getpid()}-{secrets.token_hex(4)}"
        part.mkdir()
        try:
            with locked(part):
                yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)  # it is gone if it was renamed
    except OSError as error:
        raise RunError(
            f"no run can be written to {runs_dir}: {error.strerror or error}",
            hint=f"{os_hint(error) or 'a file may have that name'}; another place is named by "
            "`runs_dir` of an experiment, or --runs-dir of eval and audit",
        ) from error


def place(part: Path, name: str, seed: int) -> Path:
    """Give a folder that is completely written its name as a run, by one rename.

    Raises:
        OSError: It cannot be renamed.
        RunError: There are too many runs of that name.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    flush_folder(part)
    for attempt in range(1000):
        folder = part.with_name(f"{name}-s{seed}-{stamp}{f'-{attempt + 1}' if attempt else ''}")
        try:
            part.rename(folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            flush_folder(part.parent)
            return folder
    raise RunError(
        f"{part.parent} is full of runs named {name}-s{seed}-{stamp}", hint="wait a second"
    )


def discard(folder: Path) -> None:
    """Remove the folder of a run; if that is interrupted, the rest is a leftover and no run."""
    part = folder.with_name(f"{_STARTING}{os.getpid()}-{secrets.token_hex(4)}")
    folder.rename(part)
    shutil.rmtree(part)


def leftovers(runs_dir: Path) -> list[Path]:
    """Return the folders of runs that were killed before they began; they hold no results."""
    if not runs_dir.is_dir():
        return []
    left = (path for path in runs_dir.glob(f"{_STARTING}*") if path.is_dir())
    return sorted(path for path in left if not path.is_symlink() and not is_locked(path))


def find(reference: str, runs_dir: Path) -> Path:
    """Return the folder of a run, given its path, its name, or the unique start of its name.

    Raises:
        RunError: There is no such run, or more than one.
    """
    for folder in (Path(reference), runs_dir / reference):
        if reference and is_run(folder):
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
    for folder in (Path(reference), runs_dir / reference):
        if reference and folder.is_dir():
            raise RunError(
                f"{folder} is a folder without a run: it holds neither {MANIFEST} nor {FILE}",
                hint="name the folder of one run; --runs-dir names a folder of many",
            )
    if Path(reference).name != reference:  # a path, and no name
        raise RunError(
            f"there is no folder {reference}",
            hint="`starec runs` lists the runs in ./runs; --runs-dir names another place",
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


def named(name: str, runs_dir: Path) -> Path | None:
    """Return the folder of the run with exactly this name; None if there is none.

    The name is compared with those in the folder of runs, so that it leads nowhere else.
    """
    if name.startswith(_STARTING) or not runs_dir.is_dir():
        return None
    found = (path for path in runs_dir.iterdir() if path.name == name)
    return next(filter(is_run, found), None)


def listed(runs_dir: Path) -> list[Path]:
    """Return the folders of all runs, oldest first; first those with a damaged manifest.

    Folders of runs that have not begun are left out; see `leftovers`.
    """
    if not runs_dir.is_dir():
        return []

    def started(folder: Path) -> tuple[str, str]:
        try:
            return stored_manifest(folder).started, folder.name
        except RunError:
            return "", folder.name

    runs = (path for path in runs_dir.iterdir() if not path.name.startswith(_STARTING))
    return sorted(filter(is_run, runs), key=started)


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, even a damaged one."""
    return os.path.lexists(folder / MANIFEST) or os.path.lexists(folder / FILE)


def configuration(folder: Path) -> str:
    """Return the text of the run's configuration.

    Raises:
        RunError: It cannot be read.
    """
    try:
        return read_text(folder / CONFIG)
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{folder / CONFIG} cannot be read: {reason(error)}",
            hint="put the file back as it was; the manifest holds its SHA-256",
        ) from error


def read_held_out(folder: Path) -> list[str]:
    """Return the ids of the users whom a training never trains on.

    Raises:
        RunError: The folder holds no training.
    """
    try:
        return read_text(folder / HELD_OUT).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{folder} does not say who was kept apart: {reason(error)}",
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
def where_it_started(folder: Path, manifest: Manifest, *, is_needed: bool = True) -> Iterator[Path]:
    """Change to the working directory in which a run was started, and change back at the end.

    Relative paths in the configuration of the run start in that directory.

    Args:
        folder: Of the run.
        manifest: Of the run.
        is_needed: Whether it is an error that the directory does not exist any more. Otherwise the
            working directory stays as it is then.

    Yields:
        The absolute path of the run's folder.

    Raises:
        RunError: The working directory does not exist any more.
    """
    started_in, here = Path(manifest.folder), folder.resolve()
    if not os.path.isdir(started_in):  # noqa: PTH112 - no error for a path that is too long
        if not is_needed:
            yield here
            return
        raise RunError(
            f"the run was started in {visible_line(str(started_in))}, which is gone; its relative "
            "paths begin there",
            hint=f"put the folder back, or correct `folder` in {folder / MANIFEST}",
        )
    with chdir(started_in):
        yield here
