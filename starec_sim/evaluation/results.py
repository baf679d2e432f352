"""What agents did in their exams, from a run's record."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starec_sim.evaluation.rank_range import RankRange
from starec_sim.holdout import HoldOut
from starec_sim.runs import codec
from starec_sim.runs.store import FILE, read_only, told
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
    with closing(read_only(folder)) as db, told(folder / FILE):
        last = exam.protocol.history
        found = db.execute(
            "SELECT trial FROM trials JOIN rounds USING (trial) WHERE arm = ? AND round = ?",
            (arm, last),
        ).fetchone()
        if found is None:
            return None
        trial = found[0]
        marks, counters = _answers(db, trial, exam)
        return AgentResult(marks, counters, _costs(db, trial, exam))


def _answers(
    db: sqlite3.Connection, trial: int, exam: HoldOut
) -> tuple[RankRange, Mapping[str, int]]:
    ranks: FloatArray = np.full(exam.candidate_lists.shape[:2], np.nan)
    flaws: Counter[str] = Counter()
    malformed = repaired = 0
    for user, step, text in db.execute(
        "SELECT user, step, decision FROM steps WHERE trial = ? AND round = ?",
        (trial, exam.protocol.history),
    ):
        decision = codec.load_decision(text)
        ranks[user, step] = decision.rank_of(int(exam.answers[user])) or np.nan
        flaws.update(decision.flaws)
        malformed += decision.malformed
        repaired += decision.repaired
    unread, failed = db.execute(
        "SELECT SUM(node = 'slow' AND error != ''), SUM(failure != '') FROM turns WHERE trial = ?",
        (trial,),
    ).fetchone()
    marks = RankRange(ranks, ranks)
    counters = {
        "rankings": int(ranks.size),
        "malformed": malformed,
        "repaired": repaired,
        "answer missing": marks.missing,
        **{name: flaws.pop(name, 0) for name in FLAWS},
        **flaws,
        "slow thoughts with an error": unread or 0,
        "failed calls": failed or 0,
    }
    return marks, counters


def _costs(db: sqlite3.Connection, trial: int, exam: HoldOut) -> Mapping[str, float | None]:
    """Return means: of a ranking in the exam, and of a user's whole history before it."""
    sums = "SELECT SUM(tokens_in), SUM(tokens_out), SUM(latency_s), SUM(cost_usd) FROM turns "
    last = exam.protocol.history
    exams = db.execute(f"{sums} WHERE trial = ? AND round = ?", (trial, last)).fetchone()
    before = db.execute(f"{sums} WHERE trial = ? AND round < ?", (trial, last)).fetchone()
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
