"""The logs of Agent4Rec's simulated users (Zhang et al., 2024, arXiv 2310.10108)."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from starec_environments.datasets.assembly import LogTable, assemble
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.files_read import FilesRead
from starec_environments.datasets.paths import folder, listing
from starec_environments.datasets.rating_questions import RatingColumn
from starec_environments.datasets.ratings import read_ratings
from starec_environments.datasets.settings import BadLines, LogRules, RatingSettings
from starec_environments.datasets.text_files import unreadable
from starec_environments.datasets.unread import PARQUET, TEXT_TABLES, suffix
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError

LARGEST = 1 << 24
"""Bytes of a file; those that are published have a few thousand."""
_STRUCTURE = "PROTO FRAME STOP MARK MEMOIZE BINGET LONG_BINGET STACK_GLOBAL REDUCE BUILD"
_LISTS = "EMPTY_DICT SETITEM SETITEMS EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2"
_VALUES = (
    "NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 BINFLOAT SHORT_BINUNICODE BINUNICODE "
    "SHORT_BINBYTES BINBYTES"
)
_OPCODES = frozenset(f"{_STRUCTURE} {_LISTS} TUPLE3 {_VALUES}".split())
"""What a log needs of the pickle format: plain values, and numbers of NumPy."""
_NUMPY = frozenset(
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
    for name in ("scalar", "_reconstruct", "dtype", "ndarray")
)
_ARTICLE = re.compile(r"^(the|a|an) |, (the|a|an)$")


class Agent4Rec:
    """What Agent4Rec's agents watched and rated, page by page.

    The folder of an experiment (`storage/ml-1m/LightGCN/NAME`) holds `behavior/AGENT.pkl`: for each
    page what was recommended, what was watched, and the ratings. These users are simulated, and so
    is all that is compared with them. The order of what an agent watched is the time.
    """

    class Config(LogRules, RatingSettings):
        """Where the files are."""

        path: Path | None = None
        """The folder of an experiment, with the folder `behavior`."""
        rating_scale: tuple[float, float] | None = (1.0, 5.0)
        """The agents rate from 1 to 5."""
        bad_lines: BadLines = "skip"
        """Watched titles that were not recommended; they are left out and counted."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._files = FilesRead(config.bad_lines)

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: There are no logs, or one is not in this format.
        """
        place = folder(self.config.path, "behavior/0.pkl, behavior/1.pkl and so on")
        logs = sorted((place / "behavior").glob("*.pkl"), key=lambda path: (len(path.stem), path))
        if not logs:
            raise DataError(
                f"{place} holds no behavior/*.pkl; found: {listing(place)}",
                hint="name the folder of an experiment, e.g. storage/ml-1m/LightGCN/NAME",
            )
        faults = self._files.open(place / "behavior", f"the pages of {len(logs)} agents")
        watched = [each for path in logs for each in _watched(path, faults)]
        if not watched:
            raise _nothing_watched(place, len(logs), faults)
        columns: dict[str, list[Any]] = {
            "user": [each.agent for each in watched],
            "item": [each.title for each in watched],
            "rating": [each.rating for each in watched],
        }
        table = Columns(place / "behavior", columns, range(1, len(watched) + 1), "title")
        stars = read_ratings(table, RatingColumn("rating", ""), self.config, faults, ".")
        times = np.arange(len(watched), dtype=np.int64)
        log = LogTable(table, stars, times, faults=faults)
        dataset = assemble(f"agent4rec-{place.name}", log, None, None, self.config)
        return self._files.finish(dataset)


def _nothing_watched(place: Path, agents: int, faults: Faults) -> DataError:
    tables = sorted(file for file in place.iterdir() if suffix(file) in (*TEXT_TABLES, PARQUET))
    left_out = "".join(f"; {note}: {count}" for note, count in faults.notes().items())
    return DataError(
        f"{place / 'behavior'}: no interaction is left; it is taken for the logs of Agent4Rec, and "
        f"none of its {agents} files holds a title that was watched{left_out}",
        hint=f"name another log of the folder: --data {quote(str(tables[0]))}"
        if tables
        else "check that the experiment of Agent4Rec has ended",
    )


class _Watched(NamedTuple):
    """A title that an agent watched."""

    agent: str
    title: str
    rating: object


def _watched(path: Path, faults: Faults) -> Iterator[_Watched]:
    """Yield what an agent watched, in order."""
    pages = _unpickled(path)
    numbers = sorted(key for key in pages if isinstance(key, int))
    for number in numbers:
        page = pages[number]
        if not isinstance(page, dict):
            raise _not_a_log(path, f"page {number} is no dictionary")
        shown, watched, ratings = (page.get(key) for key in ("recommended", "watched", "rating"))
        if not (_texts(shown) and _texts(watched) and isinstance(ratings, list)):
            raise _not_a_log(path, f"page {number} lacks recommended, watched or rating")
        if len(watched) != len(ratings):
            faults.found(number, "a page has more titles or more ratings", path.stem)
            continue
        yield from _recommended(path.stem, number, shown, watched, ratings, faults)


def _recommended(
    agent: str,
    page: int,
    shown: list[str],
    watched: list[str],
    ratings: list[object],
    faults: Faults,
) -> Iterator[_Watched]:
    """Yield the watched titles as they were recommended; agents shorten and rearrange them."""
    exact = {title: title for title in shown}
    for title, rating in zip(watched, ratings, strict=True):
        alike = [each for each in shown if _bare(each) == _bare(title)]
        found = exact.get(title) or (alike[0] if len(alike) == 1 else None)
        if found is None:
            faults.found(page, "a watched title was not recommended", f"{title} (agent {agent})")
        else:
            yield _Watched(agent, found, rating)


def _bare(title: str) -> str:
    """Return a title without what stands in parentheses and without articles.

    >>> _bare("Piano, The (1993)"), _bare("The Piano")
    ('piano', 'piano')
    """
    bare = " ".join(re.sub(r"\([^()]*\)", " ", title).lower().split())
    return _ARTICLE.sub("", _ARTICLE.sub("", bare))


def _texts(values: object) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


class _Ignored:
    """Stands for a number or an array of NumPy: ids of Agent4Rec, which titles replace."""

    def __init__(self, *parts: object) -> None:
        """Forget the parts."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


class _Plain(pickle.Unpickler):
    """Reads plain values; nothing of a pickle is executed."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NUMPY:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _Ignored


def _unpickled(path: Path) -> dict[Any, Any]:
    """Return the dictionary of a file. Pickles can hold programs; one that does is refused."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > LARGEST:
        raise _not_a_log(path, f"it is larger than {LARGEST} bytes")
    try:
        for opcode, _, _ in pickletools.genops(data):
            if opcode.name not in _OPCODES:
                raise _not_a_log(path, f"it uses {opcode.name}, which no log needs")
        pages = _Plain(io.BytesIO(data)).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise _not_a_log(path, f"{type(error).__name__}: {error}") from None
    if not isinstance(pages, dict):
        raise _not_a_log(path, f"it holds a {type(pages).__name__}, not pages by number")
    return pages


def _not_a_log(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is no log of Agent4Rec: {why}",
        hint="expected {1: {'recommended': [titles], 'watched': [titles], 'rating': [stars]}, ...}",
    )
