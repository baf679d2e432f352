"""Errors that say what happened, what was expected, and what to do next.

Every error a user can cause is a `StarecError`. The command line prints its message and hint and
exits with status 2; anything else is a defect of ours and is reported as one. The subclasses name
the boundary that failed, so that a reader knows where to look.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
    """A model could not be asked, or its endpoint failed for good."""


class LearningError(StarecError):
    """There is nothing to learn from, or learning went wrong in a way more of it cannot mend."""


class RunError(StarecError):
    """A run's folder is missing, locked, damaged or not what was asked for."""


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
