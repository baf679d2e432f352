"""The report of a run with the sums of its calls, kept in a file beside its record (decision 48).

The bootstrap over 10,000 users takes seconds, and the same record gives the same report. So it is
computed when a run ends, and read after that. The file names the digests of the rounds that it is
of; one of other rounds is computed again. So is one of a record that was changed since.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from starec_sim.errors import DataWarning
from starec_sim.report import RunReport, summarise
from starec_sim.runs.aggregates import (
    CallSums,
    ErrorCount,
    call_sums,
    error_counts,
    last_digests,
)
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.folder import SUMMARY
from starec_sim.runs.reader import reading
from starec_sim.runs.regular_file import read_bytes

_FORMAT = 3
"""Counted up when the meaning of a value changes."""


class RunSummary(NamedTuple):
    """What takes seconds to compute of a large run."""

    report: RunReport
    calls: list[CallSums]
    errors: list[ErrorCount]


_Key = tuple[int, list[tuple[int, int, str]], int | None, list[str], list[str] | None]
_Written = tuple[int, int]
"""Size and time of the last change of the record's file, in bytes and nanoseconds."""
_STORED: TypeAdapter[tuple[_Key, RunSummary, _Written]] = TypeAdapter(
    tuple[_Key, RunSummary, _Written], config={"ser_json_inf_nan": "constants"}
)


def run_summary(
    folder: Path,
    last_rounds: int | None,
    wanted: Sequence[str] = (),
    arms: Sequence[str] | None = None,
) -> RunSummary:
    """Return the summary of a run, from the file if that is of these rounds.

    Args:
        folder: The folder of the run.
        last_rounds: Number of last rounds over which the means are taken; all when None.
        wanted: Metrics to report, in order; all if empty.
        arms: The arms that are reported; all when None.

    Raises:
        RunError: The run has no record, or one that cannot be read.
    """
    kept: RunSummary | None = None
    with reading(folder) as reader:
        of_arms = None if arms is None else list(arms)
        key: _Key = (_FORMAT, last_digests(reader.db), last_rounds, list(wanted), of_arms)
        file = reader.path.stat()
        written = file.st_size, file.st_mtime_ns
        with contextlib.suppress(OSError, ValueError):  # there is none, or it is damaged
            text_before = read_bytes(folder / SUMMARY)
            if not text_before.startswith(f"[[{_FORMAT},".encode()):
                raise ValueError("another format, which lacks values of this one")
            found, summary, then = _STORED.validate_json(text_before)
            if found == key:
                if then == written:
                    return summary
                kept = summary
        calls, errors = call_sums(reader.db), error_counts(reader.db)
    summary = RunSummary(summarise(folder, last_rounds, wanted, arms), calls, errors)
    text = _STORED.dump_json((key, summary, written))
    # Calls are left out: those of a round that is not committed have no digest.
    if kept and text != _STORED.dump_json((key, summary._replace(report=kept.report), written)):
        warnings.warn(
            f"{reader.path} was changed after its rounds were played: these metrics are not those "
            f"that {SUMMARY} kept\nhint: put back a copy of it, or remove {SUMMARY}",
            DataWarning,
            stacklevel=2,
        )
        return summary
    with contextlib.suppress(OSError):  # a folder that cannot be written can be read
        write_atomically(folder / SUMMARY, text.decode())
    return summary
