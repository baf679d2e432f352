"""An evaluation protocol as data: all that decides what a figure of an evaluation means."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.holdout.filters import Cuts
from starec_sim.settings import Settings, validate

_SHIPPED = files("starec_sim.holdout") / "protocols"


class Split(Settings):
    """Which users are evaluated, and whether models may be fitted on their past."""

    share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the users who qualify that is evaluated; the seed decides which users."""
    count: int | None = Field(default=None, ge=1)
    """The same as a number, at most; if set, the share does not count."""
    listed: tuple[str, ...] = ()
    """Only users with these ids qualify, e.g. the held-out users of a training; all when empty."""
    mode: Literal["same", "new"] = "same"
    """`same`: models are fitted on the past of all users, the evaluated ones included. `new`:
    models are fitted on other users only, and then observe the past of the evaluated ones. A model
    that cannot use it without a fit shows these users popular items."""


class EvaluationProtocol(Settings):
    """Which users rank which candidates, and how it is measured (the defaults are "starec-20")."""

    name: str = Field(default="starec-20", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    candidates: int = Field(default=20, ge=2, le=10_000)
    """The answer and `candidates - 1` negatives."""
    negatives: Literal["uniform", "popularity", "shipped"] = "uniform"
    """`uniform`: items the user never touched. `popularity`: of those, some that are about as
    popular as the answer. `shipped`: the dataset's own candidate lists, without the items that
    the user did touch (these are counted)."""
    draws: int = Field(default=3, ge=1, le=100)
    """Candidate lists of each user; her figures are means over them."""
    at: tuple[int, ...] = Field(default=(1, 5, 10, 20), min_length=1)
    """NDCG@k and HR@k are taken for these k."""
    cuts: Cuts = Cuts()
    """Cuts of the dataset that are made before anything else."""
    min_interactions: int = Field(default=10, ge=2)
    """Users with a shorter log are left out (and counted)."""
    min_likes: int = Field(default=1, ge=1)
    """Users with fewer likes in the whole log are left out (and counted)."""
    sequence: int = Field(default=40, ge=2)
    """Interactions of each user that count: her last ones, the answer included."""
    history: int = Field(default=10, ge=0)
    """Likes before the answer that are replayed, one a round, so that the agent builds the memory
    of the user; of a user with fewer likes, fewer are replayed."""
    signals: tuple[str, ...] = ()
    """What cards say besides attributes, taken from the training interactions."""
    users: Split = Split()

    @model_validator(mode="after")
    def _places_ascend(self) -> Self:
        if list(self.at) != sorted(set(self.at)) or self.at[0] < 1:
            raise ValueError(f"`at` must ascend from 1, e.g. [1, 5, 10], not {list(self.at)}")
        if self.at[-1] > self.candidates:
            raise ValueError(f"`at` ends at {self.at[-1]}, after the {self.candidates} candidates")
        return self


def shipped_protocols() -> list[str]:
    """Return the names of the protocols that ship."""
    return sorted(Path(str(file)).stem for file in _SHIPPED.iterdir() if file.name.endswith("yaml"))


def read_protocol(reference: str, **changes: Any) -> EvaluationProtocol:
    """Return a protocol by its name, or from a YAML file.

    Args:
        reference: `starec-20`, `agentcf-10`, or the path of a file with the same keys.
        changes: Keys and values that replace those of the file.

    Raises:
        ConfigError: There is no such protocol, or a key or value is wrong.

    >>> read_protocol("starec-20", draws=1).draws
    1
    """
    path = Path(reference)
    if reference in shipped_protocols():
        text = (_SHIPPED / f"{reference}.yaml").read_text("utf-8")
        values = yaml_files.parse(text, reference)
    elif path.is_file():
        values = yaml_files.load(path, hint="docs/evaluation.md lists the keys of a protocol")
    else:
        raise ConfigError(
            f'no protocol is called "{reference}"; {did_you_mean(reference, shipped_protocols())}',
            hint="or give the path of a YAML file with the same keys",
        )
    return validate(EvaluationProtocol, {**values, **changes}, f"protocol {reference}")
