"""The record of an audit: the replay as a trial, and the turns of the questions beside it.

The memory of a user after each replayed choice is part of what audits ask about, and the record
keeps her last memory only. So a resumed audit goes through the replay from its first round again.
It takes all answers from the record, and commits the rounds that are not committed yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from starec_sim.environment import Environment
from starec_sim.errors import PolicyError
from starec_sim.evaluation.audits.questions import FIRST_ROUND
from starec_sim.measure import RoundMetrics
from starec_sim.runs.facts import Facts
from starec_sim.runs.lifecycle import OpenRun
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.trial_state import turns_after
from starec_sim.types import CallKey, Item, Turn, Visit

ARM = "audit"
"""The arm under which the replay and the questions are recorded."""


class AuditRecord:
    """Records one audit; implements `TurnStore` of the gateway and `RoundRecorder`.

    Args:
        run: The open run.
        seed: Of the audit.
        environment: In which the histories are replayed, as it is before the first round.
        policy: The name of the policy, for messages.
        again: Whether calls failed before, so that those that fail now are final.

    Raises:
        RunError: The audit began with other data.
    """

    def __init__(
        self, run: OpenRun, seed: int, environment: Environment, policy: str, again: bool = False
    ) -> None:
        self._policy, self._again = policy, again
        self._recorder = Recorder(run.store, 0, run.session)
        self._begun = self._recorder.open(ARM, seed, environment)
        self._answered = turns_after(run.store.db, 0, 0)
        self._unkept: set[tuple[int, int, int]] = set()
        """Round, user and step of questions in which a call failed."""
        self._failures: list[str] = []
        """Of calls that failed, and that a resume asks again."""
        self.unanswered: list[str] = []
        """Of calls that were refused, or failed after a stop, which is final: these answers
        make no choice."""
        self.digest = self._begun.digest
        """Of all replayed rounds."""
        self.calls = self.tokens_in = self.tokens_out = 0
        """Totals of all answers, including those that were recorded before."""

    def find(self, key: CallKey) -> Turn | None:
        """Return the turn that an earlier process recorded, as it was before it was read."""
        turn = self._answered.get(key)
        if turn is None:
            return None
        self._count(turn)
        return replace(turn, error="")

    def add(self, key: CallKey, turn: Turn) -> None:
        """Record a new turn.

        A question in which a call failed is not recorded, so that a resume asks it again.
        """
        self._count(turn)
        if key.round >= FIRST_ROUND:
            question = (key.round, key.user, key.step)
            if turn.failure:
                self._unkept.add(question)
            if question in self._unkept:
                return
        self._recorder.add(key, turn)

    def _count(self, turn: Turn) -> None:
        self.calls += 1
        self.tokens_in += turn.tokens_in or 0
        self.tokens_out += turn.tokens_out or 0
        if turn.failure:
            final = self._again or turn.failure.startswith("refused:")
            (self.unanswered if final else self._failures).append(turn.failure)

    def check(self) -> None:
        """Refuse to go on if calls failed that may be answered another time.

        Raises:
            PolicyError: Says how many calls failed, and why the first one did.
        """
        if self._failures:
            raise PolicyError(
                f'{len(self._failures):,} of {self.calls:,} calls of the policy "{self._policy}" '
                f"failed, the first of them: {self._failures[0]}",
                hint="give the same command again: what was answered is kept, and calls that fail "
                "again count as answers without a choice",
            )

    @property
    def keeps_facts(self) -> bool:
        """Whether what the environment knows of each step is stored."""
        return self._recorder.keeps_facts

    def flush(self) -> None:
        """Commit the turns that are pending."""
        self._recorder.flush()

    def take(self, visit: Visit) -> Visit:
        """Take a finished visit; one of a committed round is recorded already."""
        return visit if visit.round < self._begun.rounds else self._recorder.take(visit)

    def commit_round(
        self,
        round: int,
        visits: Sequence[Visit],
        measured: RoundMetrics,
        environment_state: Mapping[str, NDArray[Any]],
        digest: str,
        facts: Sequence[Sequence[Facts]] = (),
        items: Sequence[Item] = (),
    ) -> str:
        """Commit a round of the replay; nothing is done for one that is committed."""
        if round >= self._begun.rounds:
            self.digest = self._recorder.commit_round(
                round, visits, measured, environment_state, digest, facts, items
            )
        return self.digest
