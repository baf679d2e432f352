"""The settings of an audit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import Field

from starec_sim.evaluation.audits.bounds import Bound, read_bounds
from starec_sim.evaluation.audits.registry import NAMES
from starec_sim.holdout import EvaluationProtocol
from starec_sim.plugins import Spec
from starec_sim.policies.settings import Budget
from starec_sim.settings import Settings

_NOT_OF_THE_REPORT = {"name", "concurrency", "runs_dir", "budget", "cache"}


class AuditSettings(Settings):
    """Everything that decides the report of an audit."""

    name: str = Field(default="audit", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """The start of the folder's name."""
    policy: Spec
    data: Spec
    agent: Spec = Field(default={"use": "star"})
    protocol: EvaluationProtocol | None = None
    """Decides the candidate lists; agentcf-10 if the data ships candidates, else starec-20."""
    users: int = Field(default=100, ge=2)
    """How many users are asked; all who qualify if there are fewer."""
    only: tuple[str, ...] = NAMES
    """Names of the audits."""
    bounds: dict[str, dict[str, Bound]] = Field(default_factory=read_bounds)
    seed: int = Field(default=0, ge=0, lt=2**63)
    concurrency: int = Field(default=64, ge=1, le=4096)
    """Questions in progress at once."""
    runs_dir: Path = Path("runs")
    budget: Budget = Budget()
    """What the audit may spend; `resume` can change it."""
    cache: Path | None = None
    """A file of answers that several audits share. Each audit also records its own answers."""

    @property
    def key(self) -> str:
        """A digest of the settings that decide the report; two audits with it are the same."""
        values = self.model_dump(mode="json", exclude=_NOT_OF_THE_REPORT)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
