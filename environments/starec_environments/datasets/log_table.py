"""The log of a user's own file: ids, ratings and times, checked."""

from __future__ import annotations

from shlex import quote
from typing import NamedTuple

from starec_environments.datasets.assembly import LogTable
from starec_environments.datasets.column_names import unclear_column
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.rating_questions import RatingColumn
from starec_environments.datasets.ratings import read_ratings
from starec_environments.datasets.settings import FileSettings
from starec_environments.datasets.times import read_times
from starec_sim.errors import DataError


class LogColumnNames(NamedTuple):
    """The columns of a log."""

    user: str
    item: str
    rating: str | None
    """None when there is none."""
    time: str | None
    """None when the order of the rows is the time."""
    keys: str = ""
    """What stands before `rating` in the settings: `columns.`, or nothing."""


def read_log(
    table: Columns, names: LogColumnNames, settings: FileSettings, faults: Faults, decimal: str
) -> LogTable:
    """Return a table as a log.

    Args:
        table: The file or files.
        names: The columns.
        settings: What ratings and times mean.
        faults: Bad rows are counted here.
        decimal: What stands before the fraction of a rating.

    Raises:
        DataError: A column is missing, a cell cannot be read and that is an error, or the settings
            do not say what the ratings mean.
    """
    times = read_times(table, names.time, f"{names.keys}time", settings.time_format, faults)
    rating = RatingColumn(names.rating, f"{names.keys}rating")
    ratings = read_ratings(table, rating, settings, faults, decimal)
    return LogTable(table, ratings, times, names.user, names.item, faults)


def check_no_unclear(table: Columns, key: str) -> None:
    """Refuse a log without ratings in which another column says what a row means.

    Raises:
        DataError: There is such a column; the message asks what to do with it.
    """
    name = unclear_column([*table.columns, *table.left_out])
    if name is not None:
        raise DataError(
            f'{table.path} has no ratings, and its column "{name}" says what a row means; is every '
            "row a choice?",
            hint=f"--set data.{key}=null if every row is one; "
            f"--set {quote(f'data.{key}={name}')} --set "
            "data.liked_from=N if it holds numbers, of which N and more is a like; otherwise keep "
            "only the rows that are choices",
        )
