"""Read the ranks, flaws and costs of an agent from the record of its run."""

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
"""Flaws of an answer that every table counts, in addition to those of the agent."""


class AgentResult(NamedTuple):
    """The ranks, flaws and costs of an agent."""

    ranks: RankRange
    counters: Mapping[str, int]
    """The number of rankings, and the number with each flaw."""
    costs: Mapping[str, float | None]
    """Means for a ranking, and for the replay of a user before it; None if unknown."""


def read_agent_result(folder: Path, arm: str, holdout: HoldOut) -> AgentResult | None:
    """Return the result of an agent; None while its last round is not committed.

    Raises:
        RunError: The run has no record, or one that cannot be read.
    """
    with reading(folder) as reader:
        trial = queries.trial_with_round(reader.db, arm, holdout.protocol.history)
        if trial is None:
            return None
        ranks, counters = _answers(reader, trial, holdout)
        return AgentResult(ranks, counters, _costs(reader, trial, holdout))


def _answers(reader: Reader, trial: int, holdout: HoldOut) -> tuple[RankRange, Mapping[str, int]]:
    places: FloatArray = np.full(holdout.candidate_lists.shape[:2], np.nan)
    flaws: Counter[str] = Counter()
    malformed = repaired = 0
    for user, step, decision in queries.decisions(reader.db, trial, holdout.protocol.history):
        places[user, step] = decision.rank_of(int(holdout.answers[user])) or np.nan
        flaws.update(decision.flaws)
        malformed += decision.malformed
        repaired += decision.repaired
    errors = queries.call_errors(reader.db, trial)
    ranks = RankRange(places, places)
    counters = {
        "rankings": int(places.size),
        "malformed": malformed,
        "repaired": repaired,
        "answer missing": ranks.missing,
        **{name: flaws.pop(name, 0) for name in FLAWS},
        **flaws,
        "slow thoughts with an error": errors.unreadable_slow,
        "failed calls": errors.failed,
    }
    return ranks, counters


def _costs(reader: Reader, trial: int, holdout: HoldOut) -> Mapping[str, float | None]:
    """Return the mean costs of a ranking, and of the replay of a user before it."""
    last = holdout.protocol.history
    ranking = queries.call_costs(reader.db, trial, range(last, last + 1))
    before = queries.call_costs(reader.db, trial, range(last))
    users, draws = holdout.candidate_lists.shape[:2]

    def share(total: float | None, of: int) -> float | None:
        return None if total is None else total / of

    names = ("tokens_in", "tokens_out", "seconds", "usd")
    return {
        **{
            f"{name}/ranking": share(total, users * draws)
            for name, total in zip(names, ranking, strict=True)
        },
        **{
            f"{name}/history": share(total, users)
            for name, total in zip(names, before, strict=True)
        },
    }
