"""The files of Amazon Reviews, recognised by their names and first lines.

    edition   reviews                        ratings only           products
    2014      reviews_CATEGORY_5.json        ratings_CATEGORY.csv   meta_CATEGORY.json
    2018      CATEGORY_5.json                CATEGORY.csv           meta_CATEGORY.json
    2023      CATEGORY.jsonl                 CATEGORY.csv           meta_CATEGORY.jsonl

Each may be packed (.gz) or not. `_5` stands for the 5-core; without it they hold everything.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from starec_environments.datasets.line_reader import read_lines
from starec_sim.errors import DataError

Kind = Literal["reviews", "ratings", "products"]

ASIN = re.compile(r"[0-9A-Z]{10}")
"""An item's id; a reviewer's is longer."""
_NAME = re.compile(r"(?:reviews_|ratings_|meta_)?(.+?)(?:_5)?\.(?:jsonl?|csv)(?:\.gz)?")


def category(path: Path) -> str:
    """Return the category in the name of a file.

    >>> category(Path("reviews_CDs_and_Vinyl_5.json.gz")), category(Path("meta_Books.jsonl"))
    ('CDs_and_Vinyl', 'Books')
    """
    found = _NAME.fullmatch(path.name)
    return found[1] if found else path.stem


def parsed(line: bytes) -> dict[str, Any] | None:
    """Return the record on a line, JSON or (2014) a literal of Python; None when it is neither.

    Reading a literal does not run any code.
    """
    value: object = None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        if line.startswith(b"{"):
            try:
                value = ast.literal_eval(line.decode("utf-8"))
            except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                return None
    return value if isinstance(value, dict) else None


def kind_of(path: Path) -> Kind | None:
    """Return the kind of a file, by its first line; None when it is no file of Amazon Reviews."""
    if not _NAME.fullmatch(path.name):
        return None
    try:
        line = next(iter(read_lines(path)), (0, b""))[1]
    except DataError:
        return None
    if ".csv" in path.suffixes:
        return "ratings" if _is_rating(line.decode("utf-8", "replace").split(",")) else None
    record = parsed(line) or {}
    if {"reviewerID", "asin", "overall"} <= record.keys():
        return "reviews"
    if {"user_id", "rating"} <= record.keys() and {"asin", "parent_asin"} & record.keys():
        return "reviews"
    return "products" if {"asin", "parent_asin"} & record.keys() else None


def _is_rating(fields: Sequence[str]) -> bool:
    if {"user_id", "parent_asin", "rating"} <= {*fields}:
        return True
    return (
        len(fields) == 4
        and any(ASIN.fullmatch(field) for field in fields[:2])
        and fields[2] in ("1", "2", "3", "4", "5", "1.0", "2.0", "3.0", "4.0", "5.0")
        and fields[3].isdecimal()
    )


def log_file(place: Path, files: Iterable[Path], name: str | None) -> Path | None:
    """Return the one file with reviews or ratings; None when there is none.

    Args:
        place: The folder, for messages.
        files: The files to choose from.
        name: The file's name, if the user gives one.

    Raises:
        DataError: There are several, or not the named one.
    """
    if name is not None:
        if not (place / name).is_file():
            raise DataError(
                f"{place} holds no {name}",
                hint="--set data.reviews=NAME takes a file of the folder",
            )
        return place / name
    found = [file for file in sorted(files) if kind_of(file) in ("reviews", "ratings")]
    if len(found) > 1:
        raise DataError(
            f"{place} holds several files of reviews: {', '.join(file.name for file in found)}",
            hint=f"read one: --set data.reviews={found[0].name}; tables with headers that are "
            "parts of one log are read by --set data.use=csv",
        )
    return found[0] if found else None


def product_file(reviews: Path) -> Path | None:
    """Return the file that describes the items of a file of reviews; None when there is none."""
    for suffix in (".json.gz", ".json", ".jsonl.gz", ".jsonl"):
        path = reviews.with_name(f"meta_{category(reviews)}{suffix}")
        if path.is_file():
            return path
    return None
