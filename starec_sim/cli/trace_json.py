"""The visits of one user as JSON values, for `starec show --user --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starec_sim.runs.reader import RecordedStep, RecordedTrial
from starec_sim.traces.edited_memory import SummaryBefore
from starec_sim.types import Experience, Item, Turn, User


def trace_as_json(
    user: User,
    trial: RecordedTrial,
    steps: Sequence[RecordedStep],
    items: Mapping[int, Item],
    before: Sequence[SummaryBefore],
) -> dict[str, Any]:
    """Return the visits of a user as JSON values; items have their ids in the dataset."""
    return {
        "user": user.id,
        "profile": dict(user.profile),
        "arm": trial.arm,
        "seed": trial.seed,
        "steps": [
            _step_as_json(step, items, memory) for step, memory in zip(steps, before, strict=True)
        ],
    }


def _step_as_json(
    step: RecordedStep, items: Mapping[int, Item], before: SummaryBefore
) -> dict[str, Any]:
    return {
        "round": step.round + 1,
        "step": step.step + 1,
        "page": step.observation.page,
        "task": step.observation.task.name,
        "shown": [
            {"item": items[row].id, "title": items[row].title} for row in step.observation.slate
        ],
        "ranking": [items[row].id for row in step.decision.ranking],
        "read": step.decision.read,
        "actions": [
            {
                "item": items[a.item].id,
                "action": a.kind,
                "value": a.value,
                "watched": a.done,
                "rating": step.observation.task.stars(a.kind, a.value),
            }
            for a in step.decision.actions
        ],
        "leave": step.decision.leave,
        "move": step.decision.move and list(step.decision.move),
        "flaws": dict(step.decision.flaws),
        "repaired": step.decision.repaired,
        "target": None if step.feedback.target is None else items[step.feedback.target].id,
        "experiences": [_experience_as_json(e, items) for e in step.feedback.experiences],
        "reward": dict(step.feedback.reward),
        "ending": step.feedback.ending,
        "slow": step.verdict.slow,
        "reason": step.verdict.reason,
        "summary_before": before.summary,
        "set_by_schedule": before.edited is not None,
        "summary": step.summary,
        "turns": [_turn_as_json(turn) for turn in step.turns],
    }


def _experience_as_json(experience: Experience, items: Mapping[int, Item]) -> dict[str, Any]:
    return {
        "item": items[experience.item].id,
        "title": items[experience.item].title,
        "rating": experience.rating,
        "liked": experience.liked,
        "action": experience.action,
        "source": experience.source,
    }


def _turn_as_json(turn: Turn) -> dict[str, Any]:
    return {
        "node": turn.node,
        "attempt": turn.attempt,
        "policy": turn.policy,
        "messages": [{"role": role, "content": text} for role, text in turn.messages],
        "completion": turn.completion,
        "tokens_in": turn.tokens_in,
        "tokens_out": turn.tokens_out,
        "latency_s": turn.latency_s,
        "error": turn.error,
    }
