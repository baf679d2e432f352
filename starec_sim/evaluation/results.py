"""What agents did in their exams, from a run's record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starec_sim.evaluation.rank_range import RankRange
from starec_sim.holdout import HoldOut
from starec_sim.runs import queries
from starec_sim.runs.reader import Reader, reading
from starec_sim.types import FloatArray

FLAWS = ("unparsed", "missing", "duplicate", "invented", "overlong")
"""What can be wrong with an answer; others that an agent counts are kept as well."""


class AgentResult(NamedTuple):
    """One agent's exam."""

    marks: RankRange
    counters: Mapping[str, int]
    """Whole numbers: rankings asked for and what was wrong with them."""
    costs: Mapping[str, float | None]
    """Per ranking, and per user for what led up to it; None where nobody can tell."""


def read_agent_result(folder: Path, arm: str, exam: HoldOut) -> AgentResult | None:
    """Return what an arm did in its exam; None while its last round is not committed.

    Raises:
        RunError: The run has no record, or one that cannot be read.
    """
    with reading(folder) as reader:
        trial = queries.trial_with_round(reader.db, arm, exam.protocol.history)
        if trial is None:
            return None
        marks, counters = _answers(reader, trial, exam)
        return AgentResult(marks, counters, _costs(reader, trial, exam))


def _answers(reader: Reader, trial: int, exam: HoldOut) -> tuple[RankRange, Mapping[str, int]]:
    ranks: FloatArray = np.full(exam.candidate_lists.shape[:2], np.nan)
    flaws: Counter[str] = Counter()
    malformed = repaired = 0
    for user, step, decision in queries.decisions(reader.db, trial, exam.protocol.history):
        ranks[user, step] = decision.rank_of(int(exam.answers[user])) or np.nan
        flaws.update(decision.flaws)
        malformed += decision.malformed
        repaired += decision.repaired
    errors = queries.call_errors(reader.db, trial)
    marks = RankRange(ranks, ranks)
    counters = {
        "rankings": int(ranks.size),
        "malformed": malformed,
        "repaired": repaired,
        "answer missing": marks.missing,
        **{name: flaws.pop(name, 0) for name in FLAWS},
        **flaws,
        "slow thoughts with an error": errors.unreadable_slow,
        "failed calls": errors.failed,
    }
    return marks, counters


def _costs(reader: Reader, trial: int, exam: HoldOut) -> Mapping[str, float | None]:
    """Return means: of a ranking in the exam, and of a user's whole history before it."""
    last = exam.protocol.history
    exams = queries.call_costs(reader.db, trial, range(last, last + 1))
    before = queries.call_costs(reader.db, trial, range(last))
    users, draws = exam.candidate_lists.shape[:2]

    def share(total: float | None, of: int) -> float | None:
        return None if total is None else total / of

    names = ("tokens_in", "tokens_out", "seconds", "usd")
    return {
        **{
            f"{name}/ranking": share(total, users * draws)
            for name, total in zip(names, exams, strict=True)
        },
        **{
            f"{name}/history": share(total, users)
            for name, total in zip(names, before, strict=True)
        },
    }
