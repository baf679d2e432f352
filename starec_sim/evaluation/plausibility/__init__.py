"""Plausibility check of a published table: could any ranking have produced this row?

`check_row` answers for one row. `read_tables` reads the tables of others from the formats in
which they are published, and `shipped_tables` returns those that ship with this package.
"""

from starec_sim.evaluation.plausibility.check import (
    ImpossibleRow,
    PublishedRow,
    check_row,
    impossible_rows,
    least_share,
)
from starec_sim.evaluation.plausibility.read import parse_yaml, read_tables, shipped_tables

__all__ = [
    "ImpossibleRow",
    "PublishedRow",
    "check_row",
    "impossible_rows",
    "least_share",
    "parse_yaml",
    "read_tables",
    "shipped_tables",
]
