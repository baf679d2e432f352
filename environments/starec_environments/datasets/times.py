"""A column of times becomes whole numbers that order the log."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults, Mask
from starec_environments.datasets.ratings import blank_cells
from starec_sim.errors import DataError
from starec_sim.types import IntArray

LATEST = 2**62
"""Times beyond this are wrong in any unit."""
_SECONDS_OF_1973, _OTHER_UNIT = 10**8, 500
"""Smaller numbers are no times since 1970. Those of one unit, from 1973 to 2100, differ by a factor
of 40 at most."""
_DAYS_OF_1954, _DAYS_OF_2173 = 20_000, 100_000
"""Days since 1900, as spreadsheets count."""
_FAR = 5
"""Times of one log, since 1980, differ by a smaller factor than this from the one in the middle."""
_MONTH_AND_DAY = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_DATES_AS_NUMBERS = {
    re.compile(_MONTH_AND_DAY): "%Y%m%d",
    re.compile(_MONTH_AND_DAY + r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"): "%Y%m%d%H%M%S",
}
_ZONE = re.compile(r"\s*(?:UTC|GMT|Z)$")
"""Names of the zone of UTC, with which many logs end their dates."""
_DATE_FORMS = ("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%Y/%m/%d")
_TIME_FORMS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
"""Formats that a hint proposes where they read the dates of a file."""
_FIRST = {"%d": "day", "%m": "month", "%Y": "year"}
_SHOWN_DATES = 500
"""Dates that a format which is proposed must read."""
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]")


def read_times(
    table: Columns, name: str | None, key: str, written: str | None, faults: Faults
) -> IntArray:
    """Return a column as whole numbers that order the log.

    Numbers are taken as they are (fractions are cut off); dates as ISO 8601 become seconds since
    the epoch, UTC where they name no zone. Without a column, the order of the rows is the time.

    Args:
        table: The log.
        name: The column; None when there is none.
        key: The setting that names it, e.g. `columns.time`; empty when the format names it.
        written: How dates are written, for `strptime`; None goes by the first cell.
        faults: What to do with cells that are no time.

    Raises:
        DataError: A time is neither a finite number nor a date, is negative, or is decades away
            from all others.
    """
    if name is None:
        return np.arange(len(table), dtype=np.int64)
    column = table.column(name)
    without = f"--set data.{key}=null goes by the order of the rows" if key else ""
    times, blank = _read(table, name, written, without)
    if written is None:
        _check_no_dates(table, name, times)
    wrong = (times < 0) | (times > LATEST)
    if wrong.any():
        if blank is None:
            blank = blank_cells(column)
        faults.found_rows(table, wrong & blank, name, "the time is blank", without)
        expected = "neither a number from 0 on nor a date as ISO 8601 from 1970 on"
        what = f"not written as {written}" if written is not None else expected
        faults.found_rows(table, wrong & ~blank, name, f'the time "{{}}" is {what}', without)
    _check_unit(table, name, times[~wrong])
    far = far_from_others(times, wrong)
    faults.found_rows(table, far, name, FAR, without)
    return times


def _check_no_dates(table: Columns, name: str, times: IntArray) -> None:
    """Refuse whole numbers that are dates, such as 20200131, and days with a fraction.

    Their order is right, but their differences are no seconds.
    """
    first = str(table.column(name)[0]).strip()
    for pattern, form in _DATES_AS_NUMBERS.items():
        if pattern.fullmatch(first) and all(pattern.fullmatch(f"{time}") for time in times):
            raise DataError(
                f'{table.at(0)}: the times in column "{name}" are dates without separators '
                f"({first}); taken as numbers, a day would be a second",
                hint=f"--set data.time_format={form}",
            )
    days = (times >= _DAYS_OF_1954) & (times < _DAYS_OF_2173)
    if days.all() and re.fullmatch(r"\d+\.\d*[1-9]\d*", first):
        raise DataError(
            f'{table.at(0)}: the time {first} in column "{name}" is no time in seconds since 1970; '
            "a spreadsheet counts days from 1900, and the hours would be cut off",
            hint="write dates as ISO 8601 (2019-10-31 09:15:00), or numbers as whole seconds",
        )


FAR = 'the time "{}" is decades away from all others: cut off, or another word for unknown'
"""What is wrong with such a time."""


def far_from_others(times: IntArray, wrong: Mask) -> Mask:
    """Return which times since 1970 are decades away from most others, with nothing between.

    A file that was cut in the middle of a number ends with one, and some logs write 0 for unknown.

    Args:
        times: All of them.
        wrong: Which do not count.

    >>> far_from_others(np.array([978133840, 978300019, 97813]), np.zeros(3, bool)).tolist()
    [False, False, True]
    """
    none = np.zeros(len(times), bool)
    known = times[~wrong]
    middle = float(np.median(known)) if len(known) else 0.0
    if middle < _SECONDS_OF_1973:
        return none  # these count the rows, say
    low, high = (times < middle / _FAR) & ~wrong, (times > middle * _FAR) & ~wrong
    usual = times[~(low | high | wrong)]
    if len(usual) < 2:
        return none
    if low.any() and times[low].max() * 2 > usual.min():
        low = none
    if high.any() and usual.max() * 2 > times[high].min():
        high = none
    return low | high


def _check_unit(table: Columns, name: str, times: IntArray) -> None:
    """Refuse a column with seconds in some rows and milliseconds in others: its order is wrong."""
    since_epoch = times[times >= _SECONDS_OF_1973]
    if len(since_epoch) and since_epoch.max() // _OTHER_UNIT >= since_epoch.min():
        raise DataError(
            f'{table.path}: the times in column "{name}" go from {since_epoch.min()} to '
            f"{since_epoch.max()}: some seem to be seconds and others milliseconds",
            hint="write all of them in one unit",
        )


def _read(
    table: Columns, name: str, written: str | None, without: str
) -> tuple[IntArray, np.ndarray[Any, np.dtype[np.bool_]] | None]:
    """Return the times, -1 where a cell is none, and which cells are blank if that is known."""
    column = table.column(name)
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        # NaT becomes the smallest number, which is negative.
        return column.astype("datetime64[s]").astype(np.int64), np.isnat(column)
    seconds = _by_format(written) if written is not None else None
    if seconds is None:
        try:
            # Whole numbers first: nanoseconds do not fit into a float.
            return np.fromiter(map(int, column), np.int64, len(column)), None
        except (ValueError, TypeError, OverflowError):
            pass
        blank = blank_cells(column)
        first = next((cell for cell, none in zip(column, blank, strict=True) if not none), None)
        if first is None or not math.isnan(_number(first)):
            seconds = _whole
        elif _is_date(first):
            seconds = _iso
        elif _DATE.match(str(first).strip()):
            raise DataError(
                f'{table.path}: the time "{first}" in column "{name}" is no date as ISO 8601 '
                "(2019-10-31 09:15:00), and which part is the day cannot be told",
                hint="; ".join(part for part in (_format_hint(column, blank), without) if part),
            )
        else:
            seconds = _whole
    return np.fromiter(map(seconds, column), np.int64, len(column)), None


def _format_hint(column: Iterable[Any], blank: Iterable[bool]) -> str:
    """Return how to say the format of dates, with the formats that read the first of them."""
    cells = (str(cell).strip() for cell, none in zip(column, blank, strict=True) if not none)
    first = list(itertools.islice(cells, _SHOWN_DATES))
    found = [
        form
        for separator in "/-."
        for date in _DATE_FORMS
        for time in _TIME_FORMS
        if all(_by_format(form := date.replace("/", separator) + time)(cell) >= 0 for cell in first)
    ]
    if not found:
        return "say how dates are written: --set 'data.time_format=FORMAT', e.g. %d/%m/%Y %H:%M"
    if len(found) == 1:
        return f"say how dates are written: --set 'data.time_format={found[0]}'"
    return "say how dates are written: " + " or ".join(
        f"--set 'data.time_format={form}' if the {_FIRST[form[:2]]} is first" for form in found
    )


def _by_format(written: str) -> Callable[[Any], int]:
    def seconds(value: Any) -> int:
        try:
            return _utc(datetime.strptime(str(value).strip(), written))
        except (ValueError, OverflowError):
            return -1

    return seconds


def _iso(value: Any) -> int:
    try:
        return _utc(_moment(value))
    except (ValueError, TypeError, AttributeError, OverflowError):
        return -1


def _whole(value: Any) -> int:
    number = _number(value)
    return int(number) if 0 <= number <= LATEST else -1


def _number(value: Any) -> float:
    """Return a number, as a whole one where it is; NaN when there is none."""
    for kind in (int, float):
        try:
            return kind(value)
        except (ValueError, TypeError, OverflowError):
            continue
    return math.nan


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(_ZONE.sub("+00:00", value.strip()))


def _utc(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _is_date(value: Any) -> bool:
    try:
        _moment(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
