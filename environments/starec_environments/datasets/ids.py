"""Ids of users and items: any text but line breaks and control characters."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable

import numpy as np

from starec_environments.datasets.clean_text import NO_VALUE, plain
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.settings import LogRules
from starec_sim.errors import DataError, DataWarning

_DIGITS = re.compile(r"[0-9]+")
_DECIMAL = re.compile(r"-?\d+\.0")
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d+")
"""How spreadsheets write a long number, without its last digits."""
_LINE_BREAK_OR_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
"""U+FEFF is the byte order mark; it stands within a text where files were joined."""
_CONTROLS = 'the WHAT id "{}" holds control characters'


def has_controls(id: str) -> bool:
    """Return whether a text holds line breaks or control characters, so that it is no id."""
    return not id.isprintable() and _LINE_BREAK_OR_CONTROL.search(id) is not None


def read_ids(table: Columns, name: str, what: str, rules: LogRules, faults: Faults) -> list[str]:
    """Return a column of ids as text, without surrounding space.

    Raises:
        DataError: One is empty or cannot be an id and that is an error, or some differ by `.0`.
    """
    column = table.column(name)
    # There are far fewer ids than rows, so each id is checked once.
    ids = {raw: plain(raw).strip() for raw in dict.fromkeys(column)}
    if rules.whole_ids:
        ids = {
            raw: id.removesuffix(".0") if _DECIMAL.fullmatch(id) else id for raw, id in ids.items()
        }
    for fault, test, hint in _FAULTS:
        if wrong := {raw for raw, id in ids.items() if test(id)}:
            rows = np.fromiter((raw in wrong for raw in column), np.bool_, len(column))
            faults.found_rows(table, rows, name, fault.replace("WHAT", what), hint)
    there = set(ids.values())
    if decimal := next((id for id in there if _DECIMAL.fullmatch(id) and id[:-2] in there), None):
        row = next(row for row, raw in enumerate(column) if ids[raw] == decimal)
        check_decimals(table.at(row), decimal, there, "other rows", what)
    _warn_of_zeros(table, name, there, what)
    return [ids[raw] for raw in column]


def _warn_of_zeros(table: Columns, name: str, ids: Collection[str], what: str) -> None:
    """Warn of ids that are there with and without zeros in front, such as `001` and `1`."""
    first: dict[str, str] = {}
    twice = []
    for id in sorted(id for id in ids if id.startswith("0") and _DIGITS.fullmatch(id)):
        bare = id.lstrip("0")
        other = bare if bare in ids else first.setdefault(bare, id)
        if other != id:
            twice.append((id, other))
    if twice:
        id, other = twice[0]
        warnings.warn(
            f'{table.path}: column {name}: "{id}" and "{other}" count as two {what}s; '
            f"{len(twice)} ids stand with and without zeros in front\n"
            "hint: write them alike in the file if they are the same",
            DataWarning,
            stacklevel=2,
        )


def _is_empty(id: str) -> bool:
    return not id


def _is_missing(id: str) -> bool:
    return id in NO_VALUE


def _is_rounded(id: str) -> bool:
    return _ROUNDED.fullmatch(id) is not None


_FAULTS = (
    ("the WHAT id is empty", _is_empty, "check the separator and the encoding"),
    (_CONTROLS, has_controls, "check the separator and the encoding"),
    (
        'the WHAT id is "{}", which programs write where there is none',
        _is_missing,
        "write it in another way if it is the name of one",
    ),
    (
        'the WHAT id "{}" is a number that a spreadsheet has rounded, so that several became one',
        _is_rounded,
        "export the ids as text",
    ),
)
"""What is no id, how it is found, and what to do besides leaving such rows out."""


def check_decimals(at: str, id: str, known: Collection[str], where: str, what: str) -> None:
    """Explain an id that is there with and without `.0`.

    Raises:
        DataError: It is.
    """
    other = id[:-2] if _DECIMAL.fullmatch(id) else f"{id}.0"
    if other in known:
        raise DataError(
            f'{at}: the {what} id "{id}" stands as "{other}" in {where}; a program such as pandas '
            "writes whole numbers with .0 where a column has empty cells",
            hint="--set data.whole_ids=true if both are the same; otherwise rename one of them",
        )


def zeros_apart(ids: Iterable[str], known: Collection[str]) -> tuple[str, str] | None:
    """Return the first id that is known with more or fewer zeros in front, and that one.

    >>> zeros_apart(["x", "007"], {"7", "8"})
    ('007', '7')
    """
    bare = {id.lstrip("0"): id for id in known if _DIGITS.fullmatch(id)}
    alike = ((id, bare.get(id.lstrip("0"))) for id in ids if _DIGITS.fullmatch(id))
    return next(((id, other) for id, other in alike if other is not None), None)
