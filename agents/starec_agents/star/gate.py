"""The gate: it decides when slow thinking follows a decision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from starec_sim.settings import Settings
from starec_sim.types import Decision, Feedback, Observation, Verdict


class Gate(Settings):
    """When slow thinking follows a decision, and what counts as a surprise."""

    when: Literal["always", "surprise", "every", "never"] = "surprise"
    """`always`: the paper's loop. `never`: its "without reflection" ablation."""
    every: int = Field(default=5, ge=1)
    """With `when: every`, think at each k-th step of the user."""
    until: int | None = Field(default=None, ge=0)
    """Do not think after so many steps of a user: this measures what an old summary is worth."""
    rank_above: int = Field(default=5, ge=1)
    """A ranking surprises when it placed the chosen item below this rank."""
    stars_apart: float = Field(default=1.5, gt=0)
    """A watched item surprises when it was this many stars better or worse than expected."""

    def judge(
        self, observation: Observation, decision: Decision, feedback: Feedback, steps: int
    ) -> Verdict:
        """Return whether slow thinking follows one step, and why.

        Args:
            observation: What was shown.
            decision: What the user did.
            feedback: What the environment answered.
            steps: Steps of the user so far, this one included.
        """
        if not feedback.experiences:
            return Verdict(False, "nothing was revealed")
        if self.until is not None and steps > self.until:
            return Verdict(False, f"never after step {self.until}")
        match self.when:
            case "always":
                return Verdict(True, "always")
            case "never":
                return Verdict(False, "never")
            case "every":
                return Verdict(steps % self.every == 0, f"step {steps}, every {self.every}")
            case "surprise":
                reason = self._surprise(observation, decision, feedback)
                return Verdict(bool(reason), reason or "as expected")

    def _surprise(self, observation: Observation, decision: Decision, feedback: Feedback) -> str:
        if decision.malformed:
            return "the prediction could not be read"
        if observation.task.ranks:
            if feedback.target is None:
                return ""
            rank = decision.rank_of(feedback.target)
            if rank is None:
                return "the choice was not on the list"
            return f"the choice was ranked {rank}" if rank > self.rank_above else ""
        task = observation.task
        truth = {e.item: e.rating for e in feedback.experiences if e.rating is not None}
        gaps = [
            truth[action.item] - expected
            for action in decision.actions
            if action.item in truth
            and (expected := task.stars(action.kind, action.value)) is not None
        ]
        worst = max(gaps, key=abs, default=0.0)
        if abs(worst) < self.stars_apart:
            return _disappointment(feedback)
        return (
            f"an item was {abs(worst):.1f} stars {'better' if worst > 0 else 'worse'} than expected"
        )


def _disappointment(feedback: Feedback) -> str:
    """Return whether the user dislikes what she chose, in a world without stars."""
    bad = sum(e.rating is None and e.like is False for e in feedback.experiences)
    return f"{bad} of what she chose was disliked" if bad else ""
