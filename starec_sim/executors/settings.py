"""The settings of an executor."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from starec_sim.settings import Settings

_USED_BY = {
    "size": "cohort, and by processes and ray with inside: cohort",
    "workers": "processes and ray",
    "inside": "processes and ray",
    "address": "ray",
    "gpus": "ray",
}


class ExecutorSettings(Settings):
    """How the visits of a round are played.

    It changes the speed and no result, but with a local model on a graphics card, or one that
    transformers generates for: there sums are rounded by the size of the batch, which seldom
    changes an answer.
    """

    use: Literal["per_user", "cohort", "processes", "ray"] = "per_user"
    """`per_user` plays each visit as one invocation of the agent's graph. `cohort` plays the visits
    of many users in one invocation. `processes` and `ray` play them in other processes."""
    size: int = Field(default=256, ge=1, le=65_536)
    """Users of a cohort: with `cohort`, or in processes with `inside: cohort`."""
    workers: int | None = Field(default=None, ge=1, le=4096)
    """How many `processes` and `ray` start; when empty, one for each core of this machine, or of
    the Ray cluster; with `gpus` no more than its cards have room for. On one machine there are no
    more than `concurrency`."""
    inside: Literal["per_user", "cohort"] = "per_user"
    """How each process plays its visits: with `processes` and `ray` only."""
    address: str = "auto"
    """The cluster of `ray`: `auto` is the one that runs on this machine, `local` starts one here,
    and `ray://HOST:10001` is another one."""
    gpus: float = Field(default=0, ge=0, le=64)
    """Graphics cards of each process of `ray`; 0.25 lets four share one."""

    @property
    def has_workers(self) -> bool:
        """Whether visits are played in other processes."""
        return self.use in ("processes", "ray")

    def notes(self, cores: int) -> list[str]:
        """Return which settings change nothing, and whether there are more workers than cores.

        That is no error: recorded configurations have all keys, and another machine more cores.

        >>> ExecutorSettings(use="cohort", workers=3).notes(2)
        ['executor.workers: 3 is not used by executor: cohort, but by processes and ray']
        """
        cohorts = self.use == "cohort" or (self.has_workers and self.inside == "cohort")
        used = {
            "size": cohorts,
            "workers": self.has_workers,
            "inside": self.has_workers,
            "address": self.use == "ray",
            "gpus": self.use == "ray",
        }
        notes = [
            f"executor.{name}: {getattr(self, name)} is not used by executor: {self.use}, "
            f"but by {_USED_BY[name]}"
            for name, field in type(self).model_fields.items()
            if not used.get(name, True) and getattr(self, name) != field.default
        ]
        if self.use == "processes" and self.workers is not None and self.workers > cores:
            notes.append(
                f"executor.workers: {self.workers} processes share the {cores} cores of this "
                f"machine; more than {cores} are hardly faster"
            )
        return notes

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value
