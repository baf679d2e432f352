"""A run as trajectories in ATIF, the Agent Trajectory Interchange Format; one JSON line a visit.

The models of the package `atif` check each trajectory before it is written. The questions to a
policy are steps of the source `user` or `system`, its answers steps of the source `agent`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starec_sim.errors import RunError, import_problem
from starec_sim.exports.visits import RecordedVisit, recorded_visits
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.whole_file import whole_file
from starec_sim.types import Turn

SCHEMA = "ATIF-v1.7"


def write_atif(run: Path, file: Path) -> int:
    """Write a trajectory for each visit, and return how many there are.

    Raises:
        RunError: The package `atif` is missing, the run cannot be read, or the file cannot be
            written.
    """
    try:
        from atif import Trajectory
    except ImportError as error:
        problem, hint = import_problem(error, "pip install 'starec-sim[interop]'")
        raise RunError(f"trajectories are checked by atif: {problem}", hint=hint) from error
    version, count = read_manifest(run).versions.get("starec-sim", "unknown"), 0
    with reading(run) as reader, whole_file(file) as out:
        reader.require("everything", "`starec export --to atif`")
        for visit in recorded_visits(reader):
            steps = _steps(visit)
            if not steps:  # an agent may ask nothing; ATIF has no empty trajectory
                continue
            values = _trajectory(run.name, version, visit, steps)
            checked = Trajectory.model_validate(values).to_json_dict()
            out.write(json.dumps(checked, ensure_ascii=False) + "\n")
            count += 1
    return count


def _trajectory(
    run: str, version: str, visit: RecordedVisit, steps: list[dict[str, Any]]
) -> dict[str, Any]:
    last = visit.steps[-1]
    return {
        "schema_version": SCHEMA,
        "session_id": visit.name(run),
        "agent": {"name": "starec-sim user", "version": version},
        "steps": [{"step_id": number, **step} for number, step in enumerate(steps, 1)],
        "extra": {
            "run": run,
            "arm": visit.trial.arm,
            "seed": visit.trial.seed,
            "user": visit.user.id,
            "round": visit.round + 1,
            "summary": last.summary,
            "ending": last.feedback.ending,
        },
    }


def _steps(visit: RecordedVisit) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for step in visit.steps:
        for turn in step.turns:
            at = {"step": step.step + 1, "node": turn.node, "attempt": turn.attempt + 1}
            steps += [
                {"source": "agent" if role == "assistant" else role, "message": text, "extra": at}
                for role, text in turn.messages
            ]
            reward = dict(step.feedback.reward) if turn.node == "fast" else {}
            steps.append(_answer(turn, {**at, "reward": reward}))
    return steps


def _answer(turn: Turn, extra: dict[str, Any]) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "prompt_tokens": turn.tokens_in,
        "completion_tokens": turn.tokens_out,
        "cost_usd": turn.cost_usd,
    }
    if turn.tokens is not None:
        metrics |= {
            "prompt_token_ids": list(turn.tokens.prompt),
            "completion_token_ids": list(turn.tokens.completion),
            "logprobs": list(turn.tokens.logprobs),
        }
    problems = {"failure": turn.failure, "error": turn.error, "ending": turn.ending}
    return {
        "source": "agent",
        "model_name": turn.policy,
        "message": turn.completion,
        "metrics": metrics,
        "extra": {**extra, **{key: value for key, value in problems.items() if value}},
    }
