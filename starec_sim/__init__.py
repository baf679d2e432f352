"""starec-sim: simulated users in front of a recommender.

The names that most programs need are imported from here:

    from starec_sim import read_experiment, read_run, run

    result = run(read_experiment("experiments/00_demo"))
    steps = read_run(result.folder).table("steps")

| for | names |
|---|---|
| experiments | `Experiment`, `read_experiment`, `run`, `fork`, `replay`, `resume`, `train` |
| measuring policies | `Evaluation`, `evaluate`, `AuditSettings`, `audit` |
| watching | `RunEvents`, `progress_display` |
| reading what was recorded | `Run`, `read_run` |
| playing round by round | `open_simulation` |
| working with the parts | `load_dataset`, `build_environment`, `Streams` |
| plug-ins | `World`, `Environment`, `Recommender`, `Agent`, `Call`, `Dataset`, `Settings`, `card` |
| tasks | `Task`, `ActionKind`, `Amount`, `OneOf`, `FreeText`, `RANKING`, `FEED` |
| data | `User`, `Item`, `Experience`, `Step`, `Visit` |
| in a step | `Observation`, `Action`, `Decision`, `Feedback` |
| errors | `StarecError`, of which all others are subclasses |

They are imported when they are first used, so `import starec_sim` is quick and needs no torch.

More is public: every module in `docs/reference`, such as `starec_sim.types`, `starec_sim.errors`,
`starec_sim.metrics`, `starec_sim.interviews` and `starec_sim.answers`. Other modules may change in
any version.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.3.0.dev0"

# Threads of torch sleep while they wait for one another. By default they spin, and on a machine
# that does other things they then take many times as long (decision 143). OpenMP reads this when
# torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from starec_sim.agent import Agent, Call
    from starec_sim.build import build_environment, load_dataset
    from starec_sim.cards import card
    from starec_sim.cli.progress_display import progress_display
    from starec_sim.dataset import Dataset
    from starec_sim.environment import Environment
    from starec_sim.errors import StarecError
    from starec_sim.evaluation.audits.audit import audit
    from starec_sim.evaluation.audits.settings import AuditSettings
    from starec_sim.evaluation.evaluate import evaluate
    from starec_sim.evaluation.settings import Evaluation
    from starec_sim.events import RunEvents
    from starec_sim.experiment import Experiment, read_experiment
    from starec_sim.forks import fork
    from starec_sim.learning.train import train
    from starec_sim.recommender import Recommender
    from starec_sim.resume_any import resume
    from starec_sim.rng import Streams
    from starec_sim.runner import open_simulation, replay, run
    from starec_sim.runs.run_tables import Run, read_run
    from starec_sim.settings import Settings
    from starec_sim.tasks import (
        FEED,
        RANKING,
        ActionKind,
        Amount,
        FreeText,
        OneOf,
        Task,
    )
    from starec_sim.types import (
        Action,
        Decision,
        Experience,
        Feedback,
        Item,
        Observation,
        Step,
        User,
        Visit,
    )
    from starec_sim.world import World

__all__ = [
    "FEED",
    "RANKING",
    "Action",
    "ActionKind",
    "Agent",
    "Amount",
    "AuditSettings",
    "Call",
    "Dataset",
    "Decision",
    "Environment",
    "Evaluation",
    "Experience",
    "Experiment",
    "Feedback",
    "FreeText",
    "Item",
    "Observation",
    "OneOf",
    "Recommender",
    "Run",
    "RunEvents",
    "Settings",
    "StarecError",
    "Step",
    "Streams",
    "Task",
    "User",
    "Visit",
    "World",
    "__version__",
    "audit",
    "build_environment",
    "card",
    "evaluate",
    "fork",
    "load_dataset",
    "open_simulation",
    "progress_display",
    "read_experiment",
    "read_run",
    "replay",
    "resume",
    "run",
    "train",
]

_MODULES = {
    "starec_sim.agent": (
        "Agent",
        "Call",
    ),
    "starec_sim.build": (
        "build_environment",
        "load_dataset",
    ),
    "starec_sim.cards": ("card",),
    "starec_sim.cli.progress_display": ("progress_display",),
    "starec_sim.dataset": ("Dataset",),
    "starec_sim.environment": ("Environment",),
    "starec_sim.errors": ("StarecError",),
    "starec_sim.evaluation.audits.audit": ("audit",),
    "starec_sim.evaluation.audits.settings": ("AuditSettings",),
    "starec_sim.evaluation.evaluate": ("evaluate",),
    "starec_sim.evaluation.settings": ("Evaluation",),
    "starec_sim.events": ("RunEvents",),
    "starec_sim.experiment": (
        "Experiment",
        "read_experiment",
    ),
    "starec_sim.forks": ("fork",),
    "starec_sim.learning.train": ("train",),
    "starec_sim.recommender": ("Recommender",),
    "starec_sim.resume_any": ("resume",),
    "starec_sim.rng": ("Streams",),
    "starec_sim.runner": (
        "open_simulation",
        "replay",
        "run",
    ),
    "starec_sim.runs.run_tables": (
        "Run",
        "read_run",
    ),
    "starec_sim.settings": ("Settings",),
    "starec_sim.tasks": (
        "FEED",
        "RANKING",
        "ActionKind",
        "Amount",
        "FreeText",
        "OneOf",
        "Task",
    ),
    "starec_sim.types": (
        "Action",
        "Decision",
        "Experience",
        "Feedback",
        "Item",
        "Observation",
        "Step",
        "User",
        "Visit",
    ),
    "starec_sim.world": ("World",),
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
