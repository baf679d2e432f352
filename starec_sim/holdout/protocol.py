"""The evaluation protocol: the settings that define what is measured, and on which users."""

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
    """The greatest number of evaluated users; if set, `share` is ignored."""
    listed: tuple[str, ...] = ()
    """Only users with these ids qualify, e.g. the held-out users of a training; all when empty."""
    mode: Literal["same", "new"] = "same"
    """`same`: models are fitted on the past of all users, the evaluated ones included. `new`:
    models are fitted on other users only, and then observe the past of the evaluated ones. A model
    that cannot use this past without a fit recommends popular items to them."""


class EvaluationProtocol(Settings):
    """An evaluation protocol: users, candidate lists and metrics. The defaults are `starec-20`."""

    name: str = Field(default="starec-20", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    candidates: int = Field(default=20, ge=2, le=10_000)
    """The answer and `candidates - 1` negatives."""
    negatives: Literal["uniform", "popularity", "shipped"] = "uniform"
    """`uniform`: random items that are not in the log of the user. `popularity`: the same, but
    about as popular as the answer. `shipped`: the candidate lists of the dataset, without the items
    in the log of the user (their number is reported)."""
    draws: int = Field(default=3, ge=1, le=100)
    """Number of candidate lists of each user; her metrics are means over them."""
    at: tuple[int, ...] = Field(default=(1, 5, 10, 20), min_length=1)
    """The k of NDCG@k and HR@k."""
    cuts: Cuts = Cuts()
    """Cuts of the dataset, which are made first."""
    min_interactions: int = Field(default=10, ge=2)
    """Users with a shorter log are left out (and counted)."""
    min_likes: int = Field(default=1, ge=1)
    """Users with fewer likes in the whole log are left out (and counted)."""
    sequence: int = Field(default=40, ge=2)
    """Number of last interactions of each user that count, the answer included."""
    history: int = Field(default=10, ge=0)
    """Number of likes before the answer that are replayed, one a round, so that the agent builds
    the memory of the user. For a user with fewer likes, fewer are replayed."""
    signals: tuple[str, ...] = ()
    """Signals on the cards besides attributes, computed from the training interactions."""
    users: Split = Split()

    @model_validator(mode="after")
    def _places_ascend(self) -> Self:
        if list(self.at) != sorted(set(self.at)) or self.at[0] < 1:
            raise ValueError(f"`at` must ascend from 1, e.g. [1, 5, 10], not {list(self.at)}")
        if self.at[-1] > self.candidates:
            raise ValueError(f"`at` ends at {self.at[-1]}, after the {self.candidates} candidates")
        return self


def shipped_protocols() -> list[str]:
    """Return the names of the shipped protocols."""
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
    elif path.is_file() or yaml_files.is_yaml(path):
        values = yaml_files.load(path, hint="docs/evaluation.md lists the keys of a protocol")
    else:
        raise ConfigError(
            f'no protocol is called "{reference}"; {did_you_mean(reference, shipped_protocols())}',
            hint="or give the path of a YAML file with the same keys",
        )
    return validate(EvaluationProtocol, {**values, **changes}, f"protocol {reference}")
