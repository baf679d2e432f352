"""An evaluation protocol as data: everything that decides what a figure means."""

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
    """Who is evaluated, and whether models may be fitted on those people's past."""

    share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Of the users who qualify, how many are evaluated; which ones is drawn from the seed."""
    count: int | None = Field(default=None, ge=1)
    """The same as a number, at most; it goes before the share."""
    listed: tuple[str, ...] = ()
    """Only users with these ids qualify, e.g. those that a training kept apart; all when empty."""
    mode: Literal["same", "new"] = "same"
    """`same`: models are fitted on everybody's past, that of the evaluated users included.
    `new`: on other users only; of the evaluated ones they are told the past without being
    fitted on it (a model that cannot take that in shows them what is popular)."""


class Protocol(Settings):
    """What is asked, of whom, and how it is counted (the defaults are "starec-20")."""

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
    """What the dataset is cut to before anything else."""
    min_interactions: int = Field(default=10, ge=2)
    """Users with a shorter log are left out (and counted)."""
    min_likes: int = Field(default=1, ge=1)
    """So are users with fewer likes in the whole log."""
    sequence: int = Field(default=40, ge=2)
    """Interactions of each user that count: her last ones, the answer included."""
    history: int = Field(default=10, ge=0)
    """Likes before the answer that an agent lives through round by round, to build her memory;
    a user with fewer lives through fewer."""
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


def read_protocol(reference: str, **changes: Any) -> Protocol:
    """Return a protocol by its name, or from a YAML file of one's own.

    Args:
        reference: `starec-20`, `agentcf-10`, or the path of a file with the same keys.
        changes: Keys whose values in the file do not count.

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
    return validate(Protocol, {**values, **changes}, f"protocol {reference}")
