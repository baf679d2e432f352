"""Bad lines of a file: refused, or left out and counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starec_environments.datasets.columns import Columns
from starec_environments.datasets.settings import BadLines
from starec_sim.errors import DataError

Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Faults:
    """Bad lines of a file: refused, or counted by reason."""

    path: Path
    rule: BadLines
    first: dict[str, int] = field(default_factory=dict)
    """File and reason to the first line with it."""
    counts: dict[str, int] = field(default_factory=dict)
    wrong: Mask | None = None
    """The rows of a table that are left out; None when there are none."""

    def found(self, line: int, reason: str, shown: object = "") -> None:
        """Count a bad line.

        Raises:
            DataError: Bad lines are errors; the message names the line and what is wrong with it.
        """
        if self.rule == "error":
            got = f", got {str(shown)[:80]!r}" if shown != "" else ""
            raise DataError(f"{self.path}, line {line}: {reason}{got}", hint=_hint("line"))
        self._count(line, f"{self.path.name}: {reason}", 1)

    def found_rows(self, table: Columns, wrong: Mask, name: str, what: str, hint: str = "") -> None:
        """Count bad rows of a table, and remember that they are left out.

        Args:
            table: The table.
            wrong: Which of its rows are bad.
            name: The column whose value is wrong.
            what: What is wrong, in which `{}` stands for the value of the first bad row.
            hint: What to do instead of leaving rows out.

        Raises:
            DataError: Bad lines are errors; the message names the first and counts all.
        """
        if self.wrong is not None:
            wrong = wrong & ~self.wrong
        count = int(wrong.sum())
        if not count:
            return
        row = int(np.argmax(wrong))
        if self.rule == "error":
            shown = str(table.columns[name][row])[:80]
            several = f" ({count} such {table.unit}s of {len(table)})" if count > 1 else ""
            raise DataError(
                f"{table.at(row)}: {what.replace('{}', shown)}{several}",
                hint=f"{hint}; or {_hint(table.unit)}" if hint else _hint(table.unit),
            )
        self.wrong = wrong if self.wrong is None else self.wrong | wrong
        reason = what.replace(' "{}"', "")
        self._count(table.lines[row], f"{table.file_of(row).name}: {reason}", count)

    def _count(self, line: int, reason: str, count: int) -> None:
        self.first.setdefault(reason, line)
        self.counts[reason] = self.counts.get(reason, 0) + count

    def notes(self) -> dict[str, int]:
        """Return how many lines were left out for each reason, and the first of them."""
        return {
            f"{reason} (first on line {self.first[reason]})": count
            for reason, count in self.counts.items()
        }


def _hint(unit: str) -> str:
    return (
        f"mend or remove the {unit}, or leave such {unit}s out and have them counted: "
        "--set data.bad_lines=skip"
    )
