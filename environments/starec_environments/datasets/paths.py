"""The folders in which data is looked for, and the errors when it is not there."""

from __future__ import annotations

import os
from pathlib import Path

from starec_sim.errors import DataError


def folder(path: Path | None, holding: str) -> Path:
    """Return the folder a configuration names.

    Args:
        path: `Config.path`.
        holding: The files that are expected in it, for the message.

    Raises:
        DataError: There is no path, nothing at the path, or a file.
    """
    if path is None:
        raise DataError(
            f"no path was given; expected a folder with {holding}",
            hint="pass --data PATH, or set `path` in the dataset's settings",
        )
    path = path.expanduser()
    if path.is_file():
        raise DataError(
            f"{path} is a file; expected the folder with {holding}", hint=f"try {path.parent}"
        )
    if not path.is_dir():
        raise DataError(
            f"there is no folder {path}; expected one with {holding}",
            hint=f"relative paths start at {Path.cwd()}",
        )
    return path


def only(folder: Path, pattern: str, name: str | None) -> Path:
    """Return the one file of a folder that fits a pattern such as `*.inter`.

    Args:
        folder: An existing folder.
        pattern: A glob with one star.
        name: What the star stands for, if the user gives it.

    Raises:
        DataError: There is no such file, or there are several and no name.
    """
    if name is not None:
        path = folder / pattern.replace("*", name)
        if path.is_file():
            return path
    found = sorted(file.name for file in folder.glob(pattern) if file.is_file())
    if name is None and len(found) == 1:
        return folder / found[0]
    suffix = pattern.removeprefix("*")
    names = ", ".join(file.removesuffix(suffix) for file in found)
    if name is not None or found:
        asked = f"no {pattern.replace('*', name)}" if name is not None else f"several {pattern}"
        raise DataError(
            f"{folder} holds {asked}" + (f"; found: {names}" if found else ""),
            hint=f"set `name` to what stands before {suffix}",
        )
    raise DataError(
        f"{folder} holds no {pattern}; found: {listing(folder)}",
        hint="check the path, or the reader (`use`) against the files",
    )


def usual_folder(name: str, signs: tuple[str, ...], dataset: str) -> Path:
    """Return the first of the usual folders that holds a dataset.

    These are `$STAREC_DATA/NAME`, `data/NAME` and `../shared/data/NAME`.

    Args:
        name: The dataset's folder name, e.g. `ml-100k`.
        signs: Files; any one of them identifies the dataset.
        dataset: What `starec data get` calls it.

    Raises:
        DataError: There is none; the message lists where it looked and how to get the data.
    """
    roots = [Path("data"), Path("..", "shared", "data")]
    if given := os.environ.get("STAREC_DATA"):
        roots.insert(0, Path(given).expanduser())
    looked = [root / name for root in roots]
    for place in looked:
        if any((place / sign).is_file() for sign in signs):
            return place
    raise DataError(
        f"{name} was not found; looked for {' or '.join(signs)} in "
        + ", ".join(map(str, looked))
        + ("" if given else " ($STAREC_DATA is not set)"),
        hint=f"get it with `starec data get {dataset}`, pass --data PATH if you have it elsewhere, "
        "or use --data synthetic, which needs no files",
    )


def listing(folder: Path, limit: int = 12) -> str:
    """Return the names of what is in a folder, for messages."""
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "nothing") + more
