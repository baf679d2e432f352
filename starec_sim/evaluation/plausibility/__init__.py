"""Plausibility check of a published table: can any rankings produce its rows?

`check_row` checks one row. `read_tables` reads published tables in common formats, and
`shipped_tables` returns those that ship with this package.
"""

from starec_sim.evaluation.plausibility.check import (
    ImpossibleRow,
    PublishedRow,
    check_row,
    impossible_rows,
    least_share,
)
from starec_sim.evaluation.plausibility.layout import PublishedTables, Unread
from starec_sim.evaluation.plausibility.read import parse_yaml, read_tables, shipped_tables

__all__ = [
    "ImpossibleRow",
    "PublishedRow",
    "PublishedTables",
    "Unread",
    "check_row",
    "impossible_rows",
    "least_share",
    "parse_yaml",
    "read_tables",
    "shipped_tables",
]
