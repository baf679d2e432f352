"""The settings of an executor."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from starec_sim.settings import Settings


class ExecutorSettings(Settings):
    """How the visits of a round are played. It changes the speed, never a result."""

    use: Literal["per_user", "cohort", "processes", "ray"] = "per_user"
    """`per_user` plays each visit as one invocation of the agent's graph. `cohort` plays the visits
    of many users in one invocation. `processes` and `ray` play them in other processes."""
    size: int = Field(default=256, ge=1, le=65_536)
    """Users of a cohort."""
    workers: int | None = Field(default=None, ge=1, le=4096)
    """Processes; one for each core when empty."""

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value
