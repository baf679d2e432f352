"""The table of an evaluation: a row for each contender, and paired differences of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from starec_sim.errors import RunError, did_you_mean
from starec_sim.evaluation.contenders import Contender
from starec_sim.evaluation.plausibility import ImpossibleRow, PublishedRow, impossible_rows
from starec_sim.evaluation.rank_range import RankRange
from starec_sim.metrics import Interval, PairedDifference, bootstrap_interval, paired_difference
from starec_sim.types import FloatArray

_SEED = 0
"""Seed of bootstrap and permutations: the same rankings give the same table."""


class TableRow(NamedTuple):
    """The results of one contender."""

    name: str
    how: Mapping[str, Any]
    """The kind and the spec of the contender, and the spec of its policy."""
    metrics: Mapping[str, Interval]
    values: Mapping[str, FloatArray]
    """By metric, one value per user, shape (users,): the mean over her candidate lists."""
    counters: Mapping[str, int]
    """The number of rankings, and the number with each flaw."""
    costs: Mapping[str, float | None]
    """By name, e.g. `tokens_in/ranking`; None if unknown."""

    @property
    def kind(self) -> str:
        """`floor`, `recommender` or `agent`."""
        return str(self.how["kind"])

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {
            "name": self.name,
            **self.how,
            "metrics": {name: interval._asdict() for name, interval in self.metrics.items()},
            "counters": dict(self.counters),
            "costs": dict(self.costs),
        }


class Table(NamedTuple):
    """The results of all contenders on the same candidate lists."""

    rows: tuple[TableRow, ...]
    about: Mapping[str, Any]
    """Protocol, dataset, seed, counts, and the digest of the candidate lists."""
    users: tuple[str, ...]
    """Ids of the evaluated users, in the order of `TableRow.values`."""
    digest: str
    """The same for the same candidate lists and ranks."""
    unfinished: tuple[str, ...] = ()
    """Names of the contenders that are not evaluated yet."""

    @property
    def headline(self) -> str:
        """The metric by which rows are compared: NDCG at the greatest k up to 10."""
        cuts = self.about["protocol"]["at"]
        return f"ndcg@{max([k for k in cuts if k <= 10] or cuts[:1])}"

    def row(self, name: str) -> TableRow:
        """Return a row by its name.

        Raises:
            RunError: There is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise no_such_row(name, [row.name for row in self.rows])

    def compare(
        self, a: str, b: str, metrics: Sequence[str] | None = None
    ) -> dict[str, PairedDifference]:
        """Return row `a` minus row `b`, by metric (all metrics when None).

        Raises:
            RunError: There is no such row or metric.
        """
        one, other = self.row(a), self.row(b)
        for name in metrics or ():
            if name not in one.values:
                raise RunError(
                    f'there is no metric "{name}"; {did_you_mean(name, one.values)}',
                    hint="metrics are written as in the table, e.g. ndcg@10",
                )
        return {
            name: paired_difference(one.values[name], other.values[name], seed=_SEED)
            for name in metrics or one.values
        }

    def against(self, reference: str | None = None) -> dict[str, PairedDifference]:
        """Return every other row minus one reference row in the headline metric, by row.

        Args:
            reference: The name of the row; `self.reference` when None.
        """
        name = self.row(reference).name if reference else self.reference
        return {
            row.name: self.compare(row.name, name, [self.headline])[self.headline]
            for row in self.rows
            if row.name != name
        }

    @property
    def reference(self) -> str:
        """The row that others are compared with by default: the first agent, else the first row."""
        agents = [row.name for row in self.rows if row.kind == "agent"]
        return (agents or [row.name for row in self.rows])[0]

    def impossible_rows(self) -> list[ImpossibleRow]:
        """Return the rows that no rankings can produce; one of them means a defect in the code."""
        candidates = self.about["protocol"]["candidates"]
        rows = []
        for row in self.rows:
            means = {name: interval.mean for name, interval in row.metrics.items()}
            rows.append(PublishedRow(row.name, means, candidates=candidates))
        return impossible_rows(rows)

    def as_json(self) -> dict[str, Any]:
        """Return the table as JSON values, without the values of each user."""
        return {
            "rows": [row.as_json() for row in self.rows],
            "unfinished": list(self.unfinished),
            "about": dict(self.about),
            "digest": self.digest,
        }


def no_such_row(name: str, rows: Iterable[str]) -> RunError:
    """Return the error of a name that no row has.

    Args:
        name: What was asked for.
        rows: The names of all rows.
    """
    names = sorted(rows)
    near = did_you_mean(name, names)
    if near.startswith("known"):  # names hold commas themselves
        near = f"known: {'; '.join(names)}"
    return RunError(f'the table has no row "{name}"; {near}', hint="quote a name that holds spaces")


def make_row(
    contender: Contender,
    ranks: RankRange,
    at: Sequence[int],
    candidates: int,
    counters: Mapping[str, int],
    costs: Mapping[str, float | None],
) -> TableRow:
    """Return the row of a contender.

    Args:
        contender: The contender.
        ranks: Its ranks of the answers.
        at: The k of NDCG@k and HR@k.
        candidates: Items of a candidate list.
        counters: See `TableRow`; the number of ties is added.
        costs: See `TableRow`.
    """
    values = ranks.values(at, candidates)
    spec = contender.spec.model_dump(
        mode="json", exclude_none=True, exclude={"name", "policy", "needs"}
    )
    if contender.spec.kind != "recommender":
        spec.pop("data")
    if contender.spec.kind != "agent":
        spec.pop("memory")
    how = {"kind": contender.spec.kind, **spec}
    if contender.policy is not None:
        how["policy"] = dict(contender.policy)
    return TableRow(
        contender.name,
        how,
        {name: bootstrap_interval(of_users, seed=_SEED) for name, of_users in values.items()},
        values,
        {**counters, "tied": ranks.tied},
        costs,
    )


def merge_tables(tables: Sequence[Table]) -> Table:
    """Return one table with the rows of several tables on the same candidate lists.

    A row that differs from an earlier one of the same name gets the number of its table.

    Args:
        tables: At least one.

    Raises:
        RunError: Protocols, data, seeds or lists differ, so the rows cannot be compared.
    """
    first = tables[0]
    for other in tables[1:]:
        if other.about["exam"] != first.about["exam"]:
            a, b = (
                {**table.about["protocol"], **{k: table.about[k] for k in ("dataset", "seed")}}
                for table in (first, other)
            )
            different = [
                f"{key}: {a.get(key)!r} and {b.get(key)!r}"
                for key in {**a, **b}
                if a.get(key) != b.get(key)
            ]
            raise RunError(
                "these tables are of different candidate lists, so their rows cannot be compared; "
                + ("; ".join(different) or "the lists themselves differ"),
                hint="evaluate both with one protocol, dataset and seed, or pass --candidates FILE",
            )
    rows: dict[str, TableRow] = {}
    for number, table in enumerate(tables, 1):
        for row in table.rows:
            known = rows.get(row.name)
            if known is None:
                rows[row.name] = row
            elif any(not np.array_equal(known.values[m], row.values[m]) for m in known.values):
                name = f"{row.name} ({number})"
                rows[name] = row._replace(name=name)
    unfinished = tuple(dict.fromkeys(name for table in tables for name in table.unfinished))
    return first._replace(rows=tuple(rows.values()), unfinished=unfinished)
