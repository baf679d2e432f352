"""The table: rows with intervals, and how sure one can be that two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from starec_sim.errors import RunError, did_you_mean
from starec_sim.evaluation.contenders import Contender
from starec_sim.evaluation.rank_range import RankRange
from starec_sim.metrics import Interval, bootstrap_interval, paired_interval, permutation_test
from starec_sim.types import FloatArray

_SEED = 0
"""Of bootstrap and permutations: the same rankings give the same table."""


class Row(NamedTuple):
    """One row."""

    name: str
    how: Mapping[str, Any]
    """What it is: its spec, and its policy's."""
    metrics: Mapping[str, Interval]
    values: Mapping[str, FloatArray]
    """By metric, what each user earned: the mean over her draws."""
    counters: Mapping[str, int]
    costs: Mapping[str, float | None]

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


class Difference(NamedTuple):
    """One metric of a row minus that of another, on the same users."""

    metric: str
    interval: Interval
    p: float
    """Two-sided, from a permutation test over users."""

    @property
    def sure(self) -> bool:
        """Whether the 95 % interval leaves out zero and the permutation test agrees."""
        away = self.interval.low > 0 or self.interval.high < 0
        return away and self.p < 0.05

    def as_json(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        return {**self.interval._asdict(), "p": self.p, "sure": self.sure}


class Table(NamedTuple):
    """Rows of one exam."""

    rows: tuple[Row, ...]
    about: Mapping[str, Any]
    """Protocol, dataset, seed, counts, and the digest of the exam."""
    users: tuple[str, ...]
    """Ids of the evaluated users, in the order of the rows' values."""
    digest: str
    """The same for the same exam and the same ranks, however they were computed."""
    unfinished: tuple[str, ...] = ()
    """Rows that are not there yet."""

    @property
    def headline(self) -> str:
        """The metric that rows are compared by: NDCG at the greatest k up to 10."""
        places = self.about["protocol"]["at"]
        return f"ndcg@{max([k for k in places if k <= 10] or places[:1])}"

    def row(self, name: str) -> Row:
        """Return a row by its name.

        Raises:
            RunError: There is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        names = sorted(row.name for row in self.rows)
        near = did_you_mean(name, names)
        if near.startswith("known"):  # names hold commas themselves
            near = f"known: {'; '.join(names)}"
        raise RunError(
            f'the table has no row "{name}"; {near}',
            hint="quote a name that holds spaces",
        )

    def compare(
        self, a: str, b: str, metrics: Sequence[str] | None = None
    ) -> dict[str, Difference]:
        """Return how row `a` differs from row `b`, by metric (all of them when None).

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
            name: Difference(
                name,
                paired_interval(one.values[name], other.values[name], seed=_SEED),
                permutation_test(one.values[name], other.values[name], seed=_SEED),
            )
            for name in metrics or one.values
        }

    def against(self, reference: str | None = None) -> dict[str, Difference]:
        """Return how every other row differs from one in the headline metric, by row.

        Args:
            reference: A row; the first agent when None, or the first row where there is none.
        """
        name = self.row(reference).name if reference else self.reference
        return {
            row.name: self.compare(row.name, name, [self.headline])[self.headline]
            for row in self.rows
            if row.name != name
        }

    @property
    def reference(self) -> str:
        """The row that others are compared with unless another is asked for."""
        agents = [row.name for row in self.rows if row.kind == "agent"]
        return (agents or [row.name for row in self.rows])[0]

    def as_json(self) -> dict[str, Any]:
        """Return the table as JSON values, without the users' own figures."""
        return {
            "rows": [row.as_json() for row in self.rows],
            "unfinished": list(self.unfinished),
            "about": dict(self.about),
            "digest": self.digest,
        }


def make_row(
    planned: Contender,
    marks: RankRange,
    at: Sequence[int],
    candidates: int,
    counters: Mapping[str, int],
    costs: Mapping[str, float | None],
) -> Row:
    """Return the row of some marks."""
    values = marks.values(at, candidates)
    spec = planned.spec.model_dump(
        mode="json", exclude_none=True, exclude={"name", "policy", "needs"}
    )
    if planned.spec.kind != "recommender":
        spec.pop("data")
    if planned.spec.kind != "agent":
        spec.pop("memory")
    how = {"kind": planned.spec.kind, **spec}
    if planned.policy is not None:
        how["policy"] = dict(planned.policy)
    return Row(
        planned.name,
        how,
        {name: bootstrap_interval(found, seed=_SEED) for name, found in values.items()},
        values,
        {**counters, "tied": marks.tied},
        costs,
    )


def merged(tables: Sequence[Table]) -> Table:
    """Return one table of several; they must be of one exam.

    Raises:
        RunError: Protocols, data, seeds or lists differ: their figures cannot be compared.
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
                "these tables are of different exams, so their rows cannot be compared; "
                + ("; ".join(different) or "their candidate lists differ"),
                hint="evaluate both with one protocol, dataset and seed, or pass --candidates FILE",
            )
    rows: dict[str, Row] = {}
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
