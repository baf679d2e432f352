"""The messages between the parent and its workers."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from starec_sim.errors import StarecError
from starec_sim.plugin_code import PluginCode
from starec_sim.policies.gateway.budget_guard import Spent
from starec_sim.types import CallKey, ExpectedAnswer, Memory, Messages, Node, Turn, Visit

State = Mapping[str, NDArray[Any]]
"""What `Environment.state` returned."""


# From the parent to a worker


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker builds its parts from; the first message."""

    experiment: Mapping[str, Any]
    """The configuration as JSON values."""
    plugins: tuple[PluginCode, ...] | None
    """The code of others that the run uses; no other code may be loaded. None if it is unknown."""
    policies: tuple[tuple[Mapping[str, Any], str], ...]
    """(spec, its key) of each policy that answers in the worker."""
    concurrency: int
    """Visits of a shard in progress at once."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A round begins."""

    arm: str
    seed: int
    start: int
    """The round, from 0, at which the parts of this round came into use."""
    round: int
    answered_here: Mapping[str, tuple[Node, ...]]
    """By kind of users ("" where all are alike), nodes whose policy answers in the worker; the
    others are asked in the parent."""
    structured: Mapping[str, Mapping[Node, bool]]
    """By kind, of each node, whether its policy takes a schema."""
    notes: Mapping[int, str]
    labels: Mapping[str, Any]
    state: Any
    """Of the environment before the round; as the transport shares it, then as `State`."""
    world: str = ""
    """The digest of the parent's environment, where the worker may have other data."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Visits to play."""

    number: int
    visitors: tuple[tuple[int, Memory], ...]
    """Each user with her memory, in ascending order."""
    known: Mapping[CallKey, Turn]
    """Answers that were given in this round before the visits were lost."""


@dataclass(frozen=True, slots=True)
class AskedTurn:
    """The turn that an `Ask` asked for, or why there is none."""

    number: int
    turn: Turn | None
    failed: Failed | None = None


@dataclass(frozen=True, slots=True)
class Drain:
    """No further visit begins."""


# From a worker to the parent


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker is built."""

    versions: Mapping[str, str]
    """Of Python and the packages that results may depend on."""
    place: str
    """Its machine and its process."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Turns that a policy answered in the worker; sent soon, so that they are not lost with it."""

    turns: tuple[tuple[CallKey, Turn], ...]
    spent: Spent
    """On calls since the last message of this kind."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question for a policy that is asked in the parent."""

    number: int
    kind: str
    """Of the user, "" where all are alike."""
    key: CallKey
    messages: Messages
    schema: Mapping[str, Any] | None
    expected: ExpectedAnswer | None


@dataclass(frozen=True, slots=True)
class Played:
    """The visits of a shard, in its order; for a visit that is left out, the error in it."""

    shard: int
    visits: tuple[Visit | StarecError, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """What ends the run."""

    error: StarecError | None
    cause: StarecError | None = None
    defect: str = ""
    """The traceback of any other exception."""
    shard: int | None = None
    """The shard that was being played."""

    @classmethod
    def of(cls, error: Exception, shard: int | None = None) -> Failed:
        """Return the message about an exception that is being handled."""
        if not isinstance(error, StarecError):
            return cls(None, None, traceback.format_exc(), shard)
        cause = error.__cause__
        return cls(error, cause if isinstance(cause, StarecError) else None, "", shard)

    def exception(self) -> Exception:
        """Return the exception; another process cannot hand over its traceback."""
        if self.error is None:
            return RuntimeError(f"in another process of the run:\n{self.defect}")
        self.error.__cause__ = self.cause
        return self.error


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning, with the place that it is about."""

    text: str
    categories: tuple[tuple[str, str], ...]
    """Module and name of its class and of that one's bases, the nearest first."""
    filename: str
    line: int

    @classmethod
    def of(cls, text: str, category: type[Warning], filename: str, line: int) -> Warned:
        """Return the message about a warning that was raised here."""
        kinds = (kind for kind in category.__mro__ if issubclass(kind, Warning))
        named = tuple((kind.__module__, kind.__qualname__) for kind in kinds)
        return cls(text, named, filename, line)

    def warning(self) -> Warning:
        """Return the warning; of the nearest class that this process has and that takes a text."""
        for module, name in self.categories:
            kind = getattr(sys.modules.get(module), name, None)
            with suppress(Exception):  # the class of a plug-in may take something else
                if isinstance(warning := kind(self.text), Warning):  # type: ignore[misc]
                    return warning
        return UserWarning(self.text)


class TurnRef(NamedTuple):
    """Stands for a turn of a visit that the parent has already."""

    key: CallKey
    error: str
