"""The settings of an evaluation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from starec_sim.evaluation.contenders import ContenderSpec
from starec_sim.holdout import EvaluationProtocol
from starec_sim.holdout.candidate_files import file_digest
from starec_sim.plugins import Spec
from starec_sim.policies.settings import Budget
from starec_sim.settings import Settings

_NOT_OF_THE_TABLE = {
    "name",
    "candidates",  # their digest is
    "concurrency",
    "runs_dir",
    "budget",
    "against",
}


class Evaluation(Settings):
    """The settings of an evaluation: data, protocol, policies, contenders and seed."""

    name: str = Field(default="eval", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    data: Spec
    protocol: EvaluationProtocol = EvaluationProtocol()
    policies: list[Spec] = Field(default=[])
    """The policies under evaluation. Contenders with `{policy}` in their name are repeated for
    each of them."""
    rows: list[ContenderSpec] = Field(min_length=1)
    """The contenders; each of them becomes a row of the table."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    candidates: Path | None = None
    """A file of candidate lists; the lists are drawn from the seed when empty."""
    candidates_sha256: str | None = None
    concurrency: int = Field(default=64, ge=1, le=4096)
    """Visits in progress at once."""
    runs_dir: Path = Path("runs")
    budget: Budget = Budget()
    """What the agents may spend; `resume` can change it."""
    against: str | None = None
    """The row that the files of the table compare the others with; by default the first agent."""

    @model_validator(mode="after")
    def _hash_candidates(self) -> Self:
        if self.candidates is not None and self.candidates_sha256 is None:
            object.__setattr__(self, "candidates_sha256", file_digest(self.candidates))
        return self

    @property
    def key(self) -> str:
        """SHA-256 of the settings that determine the table."""
        values = self.model_dump(mode="json", exclude=_NOT_OF_THE_TABLE)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
