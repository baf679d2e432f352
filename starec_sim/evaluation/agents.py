"""Turn the agents among the contenders into an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starec_sim.evaluation.contenders import Contender
from starec_sim.evaluation.settings import Evaluation
from starec_sim.experiment import Experiment
from starec_sim.holdout import environment_name
from starec_sim.settings import validate


def experiment_of_agents(
    evaluation: Evaluation, contenders: Sequence[Contender]
) -> Experiment | None:
    """Return an experiment with one arm for each agent; None when there is no agent.

    In each round before the last, one logged choice of each user is replayed. In the last round the
    users rank their candidate lists.
    """
    arms: dict[str, dict[str, Any]] = {}
    for contender in contenders:
        if contender.spec.agent is not None:
            arms[contender.name] = {
                "agent": contender.spec.agent,
                "policies": {"fast": contender.policy, "slow": contender.policy},
                "environment.replay": contender.spec.replay,
                "environment.memory": contender.spec.memory,
            }
    if not arms:
        return None
    environment = {
        "use": environment_name(),
        "protocol": evaluation.protocol.model_dump(mode="json"),
        "candidates": None if evaluation.candidates is None else str(evaluation.candidates),
        "candidates_sha256": evaluation.candidates_sha256,
    }
    values = {
        "name": evaluation.name,
        "seed": evaluation.seed,
        "rounds": evaluation.protocol.history + 1,
        "concurrency": evaluation.concurrency,
        "runs_dir": str(evaluation.runs_dir),
        "budget": evaluation.budget.model_dump(),
        "data": evaluation.data,
        "environment": environment,
        "arms": arms,
        "report": {"last_rounds": 1},
    }
    return validate(Experiment, values, "")
