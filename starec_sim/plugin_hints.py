"""What to do about a plug-in that cannot be loaded, from the reason why."""

from __future__ import annotations

import shlex
import tomllib
import traceback
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from starec_sim.errors import did_you_mean

OWN = "one of your own is written as package.module:Class or path/file.py:Class"
OWN_FUNCTION = "one of your own is written as package.module:function or path.py:function"


def unknown_name_hint(
    name: str, own: str, kinds_with_it: Iterable[str], *, spelling: bool = False
) -> str:
    """Return what to do about a name that no plug-in of a kind has.

    Args:
        name: The name.
        own: How a reference is written.
        kinds_with_it: Kinds of which a plug-in has this name.
        spelling: Whether a name of the right kind is close.

    >>> unknown_name_hint("synthetic", OWN, ["datasets"])
    'synthetic is one of the datasets; `starec plugins` lists all names'
    """
    kinds = sorted(kinds_with_it)
    if not kinds and _declared_here(name):
        return "the pyproject.toml of this folder has it; install the package: pip install -e ."
    if name.endswith(".py"):
        return f"add the name after a colon: {name}:NAME"
    if Path(f"{name}.py").is_file():
        return f"write the file with its ending and the name: {name}.py:NAME"
    if spelling:
        return "correct the name; `starec plugins` lists all"
    if "." in name and "/" not in name:
        module, _, last = name.rpartition(".")
        return f"if it is importable, write {module}:{last}"
    if kinds:
        return f"{name} is one of the {' and '.join(kinds)}; `starec plugins` lists all names"
    return own


def _declared_here(name: str) -> bool:
    """Return whether the package in this folder has an entry point of this name."""
    try:
        project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
        groups = project["entry-points"].items()
        return any(group.startswith("starec_sim.") and name in points for group, points in groups)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False  # there is none, or another tool has to say what is wrong with it


def import_hint(error: BaseException, location: str) -> str:
    """Return what to do about an import that failed.

    Args:
        error: What the import raised.
        location: The module or the file of the plug-in.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        if f"{location}.".startswith(f"{error.name}."):  # the module itself, or its package
            return _not_found_hint(location)
        package, _, inner = error.name.partition(".")
        place = _line_of(error) or location
        if inner and find_spec(package) is not None:
            return f"{package} is installed and has no module {inner}: mend the import in {place}"
        if folder := _folder_of(package, location):
            return (
                f"{package} is in {folder}, which nothing is imported from: give the command with "
                f"PYTHONPATH={shlex.quote(str(folder))}, or import files beside it by their name"
            )
        return f"install what {place} imports: pip install {package}"
    place = _line_of(error)
    if location.endswith(".py") and "relative import" in str(error):
        return f"leave out the dot in {place}: files beside a plug-in are imported by their name"
    return f"mend {place or location}; --debug shows the traceback"


def _folder_of(package: str, location: str) -> Path | None:
    """Return the folder above a plug-in's file, or where we are, that holds a module or package."""
    above = Path(location).expanduser().resolve().parents if location.endswith(".py") else ()
    for folder in (Path.cwd(), *above):
        if any((folder / package).glob("*.py")) or (folder / f"{package}.py").is_file():
            return folder
    return None


def no_file_hint(path: Path) -> str:
    """Return what to do about a file of plug-ins that is not there."""
    if path.is_dir():
        return f"{path} is a folder; name a .py file in it"
    near = [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
    if not near:
        return f"the path is read from {Path.cwd()}"
    return f"{did_you_mean(path.name, near)}; the path is read from {Path.cwd()}"


def _not_found_hint(location: str) -> str:
    as_file = Path(*location.split(".")).with_suffix(".py")
    if as_file.is_file():
        return f"it is a file here, so write {as_file}:NAME"
    if "/" in location:
        return f"a file is written with its ending: {location}.py:NAME"
    return f"check the spelling of {location}, or install the package that has it"


def _line_of(error: BaseException) -> str:
    """Return file and line where an error arose, outside of the import machinery and this package.

    Empty if no such line is known.
    """
    here = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((here, "<frozen")) and "importlib" not in frame.filename
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    # Of a check that an installed package makes, the line that led to it is to be mended.
    frames = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
