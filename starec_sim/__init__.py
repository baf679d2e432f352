"""starec-sim: simulated users in front of a recommender.

Everything that a program, a script or a plug-in needs is imported from here:

    from starec_sim import read_experiment, read_run, run

    result = run(read_experiment("experiments/00_demo"))
    steps = read_run(result.folder).table("steps")

A name is imported when it is first used, so `import starec_sim` is fast and needs no torch.
Four more packages are public: `starec_sim.evaluation` (tables of contenders),
`starec_sim.metrics` (functions of arrays), `starec_sim.answers` (the form of prompts and
answers, for agents) and `starec_sim.holdout` (protocols and candidate lists). Other modules may
change in any version.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from starec_sim.agent import Agent, Call, Policies
    from starec_sim.cards import card
    from starec_sim.cli.evaluation_progress import EvaluationProgress
    from starec_sim.dataset import Dataset, Interactions
    from starec_sim.environment import Environment
    from starec_sim.errors import (
        ConfigError,
        ContractError,
        DataError,
        LearningError,
        PausedError,
        PluginError,
        PolicyError,
        RunError,
        StarecError,
    )
    from starec_sim.evaluation.audits.audit import audit
    from starec_sim.evaluation.audits.settings import AuditSettings
    from starec_sim.evaluation.evaluate import evaluate
    from starec_sim.evaluation.settings import Evaluation
    from starec_sim.events import RunEvents
    from starec_sim.experiment import Experiment, read_experiment
    from starec_sim.learning.train import train
    from starec_sim.recommender import Recommender
    from starec_sim.report import RunReport, summarise
    from starec_sim.resume_any import resume
    from starec_sim.rng import Streams
    from starec_sim.runner import replay, run
    from starec_sim.runs.run_tables import Run, read_run
    from starec_sim.settings import Settings
    from starec_sim.types import (
        Action,
        Decision,
        Experience,
        Feedback,
        Item,
        Memory,
        Observation,
        Step,
        Turn,
        User,
        Verdict,
        Visit,
    )

__all__ = [
    "Action",
    "Agent",
    "AuditSettings",
    "Call",
    "ConfigError",
    "ContractError",
    "DataError",
    "Dataset",
    "Decision",
    "Environment",
    "Evaluation",
    "EvaluationProgress",
    "Experience",
    "Experiment",
    "Feedback",
    "Interactions",
    "Item",
    "LearningError",
    "Memory",
    "Observation",
    "PausedError",
    "PluginError",
    "Policies",
    "PolicyError",
    "Recommender",
    "Run",
    "RunError",
    "RunEvents",
    "RunReport",
    "Settings",
    "StarecError",
    "Step",
    "Streams",
    "Turn",
    "User",
    "Verdict",
    "Visit",
    "__version__",
    "audit",
    "card",
    "evaluate",
    "read_experiment",
    "read_run",
    "replay",
    "resume",
    "run",
    "summarise",
    "train",
]

_MODULES = {
    "starec_sim.agent": ("Agent", "Call", "Policies"),
    "starec_sim.cards": ("card",),
    "starec_sim.cli.evaluation_progress": ("EvaluationProgress",),
    "starec_sim.dataset": ("Dataset", "Interactions"),
    "starec_sim.environment": ("Environment",),
    "starec_sim.errors": (
        "ConfigError",
        "ContractError",
        "DataError",
        "LearningError",
        "PausedError",
        "PluginError",
        "PolicyError",
        "RunError",
        "StarecError",
    ),
    "starec_sim.evaluation.audits.audit": ("audit",),
    "starec_sim.evaluation.audits.settings": ("AuditSettings",),
    "starec_sim.evaluation.evaluate": ("evaluate",),
    "starec_sim.evaluation.settings": ("Evaluation",),
    "starec_sim.events": ("RunEvents",),
    "starec_sim.experiment": ("Experiment", "read_experiment"),
    "starec_sim.learning.train": ("train",),
    "starec_sim.recommender": ("Recommender",),
    "starec_sim.report": ("RunReport", "summarise"),
    "starec_sim.resume_any": ("resume",),
    "starec_sim.rng": ("Streams",),
    "starec_sim.runner": ("replay", "run"),
    "starec_sim.runs.run_tables": ("Run", "read_run"),
    "starec_sim.settings": ("Settings",),
    "starec_sim.types": (
        "Action",
        "Decision",
        "Experience",
        "Feedback",
        "Item",
        "Memory",
        "Observation",
        "Step",
        "Turn",
        "User",
        "Verdict",
        "Visit",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
