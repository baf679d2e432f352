"""Errors that say what happened, what was expected, and what to do next.

Every error a user can cause is a `StarecError`. The command line prints its message and hint and
exits with status 2; anything else is a defect of ours and is reported as one. The subclasses name
the boundary that failed, so that a reader knows where to look.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

Cause = Literal["endpoint", "time-out", "refused", "closed"]
"""Why a call of a policy came to nothing, which decides what is done about it.

`endpoint`: it is overloaded, broken or out of reach just now, so the call is tried again later.
`time-out`: no answer in time; tried again as well. `refused`: this request, for what is in it;
never tried again. `closed`: nobody gets an answer (the key, the model's name, an empty account), so
the run pauses.
"""


class StarecError(Exception):
    """A problem the user can mend.

    Args:
        message: What happened, with the values, and what was expected.
        hint: The command to run or the line to change next; empty when nothing is known to help.
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
    """A dataset is missing or cannot be read as what it was said to be."""


class PluginError(StarecError):
    """A plug-in cannot be found, imported or built."""


class ContractError(StarecError):
    """A plug-in broke the protocol it implements."""


class PolicyError(StarecError):
    """A call of a model came to nothing.

    Args:
        message: What happened, with the values, and what was expected.
        hint: The command to run or the line to change next.
        cause: Which kind of failure it is.
        retry_after_s: How long the endpoint asks to be left alone, if it said so.
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
    """A run stopped itself at a committed point, and can go on from there.

    Args:
        message: What was reached, or who does not answer.
        hint: What to change before it goes on.
        reason: `budget`, `endpoint` or `replay`.
        options: What `starec resume` needs besides the run, e.g. `--budget calls=2000`.
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
    """There is nothing to learn from, or learning went wrong in a way more of it cannot mend."""


class RunError(StarecError):
    """A run's folder is missing, locked, damaged or not what was asked for."""


class DeprecatedKeyWarning(FutureWarning):
    """A key or the name of a plug-in has a new name; the old one works for one more release."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known name, or lists the names when none is near.

    >>> did_you_mean("rankin", ["feed", "ranking"])
    'did you mean "ranking"?'
    >>> did_you_mean("xyz", ["feed", "ranking"])
    'known: feed, ranking'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else f"known: {', '.join(names) or 'none'}"
