"""Errors that say what happened, what was expected, and what to do next.

Every error that a user can cause is a `StarecError`. The command line prints its message and hint
and exits with status 2. Any other exception is reported as a defect of this program. Each subclass
names the part that failed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

Cause = Literal["endpoint", "time-out", "refused", "closed"]
"""Why a call of a policy has no answer. The cause decides what happens next.

`endpoint`: the endpoint is overloaded, broken or unreachable; the call is retried. `time-out`:
there is no answer in time; the call is retried. `refused`: the endpoint rejects the content of this
request; the call is not retried. `closed`: the endpoint rejects every request (a wrong key, an
unknown model, an empty account); the run pauses.
"""


class StarecError(Exception):
    """An error that the user can correct.

    Args:
        message: What happened, with the values, and what was expected.
        hint: The command to run or the line to change next; empty if none is known.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class ConfigError(StarecError):
    """A key or value of an experiment's configuration is wrong."""


class DataError(StarecError):
    """A dataset is missing, or cannot be read in its format."""


class PluginError(StarecError):
    """A plug-in cannot be found, imported or built."""


class ContractError(StarecError):
    """A plug-in violates the protocol that it implements."""


class PolicyError(StarecError):
    """A call of a model has no answer.

    Args:
        message: What happened, with the values, and what was expected.
        hint: The command to run or the line to change next.
        cause: The kind of failure.
        retry_after_s: Seconds after which the endpoint allows a retry; None if it names none.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        cause: Cause = "refused",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.cause: Cause = cause
        self.retry_after_s = retry_after_s


class PausedError(StarecError):
    """A run paused itself after a commit, and can be resumed.

    Args:
        message: Which budget is spent, or which endpoint does not answer.
        hint: What to change before the resume.
        reason: `budget`, `endpoint` or `replay`.
        options: Options that `starec resume` needs, e.g. `--budget calls=2000`.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: Literal["budget", "endpoint", "replay"] = "endpoint",
        options: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.options = options


class LearningError(StarecError):
    """There is nothing to learn from, or the training diverges."""


class RunError(StarecError):
    """The folder of a run is missing, locked, damaged or of another kind."""


class DeprecatedKeyWarning(FutureWarning):
    """A key or the name of a plug-in has a new name; the old one works for one more release."""


class ContractWarning(UserWarning):
    """A plug-in may violate the protocol that it implements; results may depend on chance."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a phrase with the nearest known name, or with all names if none is near.

    >>> did_you_mean("rankin", ["feed", "ranking"])
    'did you mean "ranking"?'
    >>> did_you_mean("xyz", ["feed", "ranking"])
    'known: feed, ranking'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else f"known: {', '.join(names) or 'none'}"
