"""Errors that say what happened, what was expected, and what to do next.

Every error that a user can cause is a `StarecError`. The command line prints its message and hint
and exits with status 2. Any other exception is reported as a defect of this program. Each subclass
names the part that failed.
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Literal

Cause = Literal["endpoint", "overload", "time-out", "refused", "denied", "closed"]
"""Why a call of a policy has no answer. The cause decides what happens next.

`endpoint`: the endpoint is broken or unreachable; the call is retried. `overload`: it has too much
to do; the call is retried, and fewer are in flight. `time-out`: there is no answer in time; the
same is done. `refused`: the endpoint rejects this request; the call is not retried. `denied`: it
does not let this request in (403, 404): a filter of prompts, or a key or a model that it rejects
for every request; the run pauses unless the endpoint answers another question. `closed`: the
endpoint rejects every request (a wrong key, an empty account); the run pauses.
"""
MEND = "mend the plug-in; --debug shows the traceback"
"""The hint about an exception whose cause only the author of the plug-in knows."""


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


class PluginInterrupt(KeyboardInterrupt):
    """Ctrl-C ended the call of a plug-in, which did not return by itself."""


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
        reason: `budget`, `endpoint`, `replay`, `stopped` (by a signal) or `worker` (one was lost
            repeatedly).
        options: Options that `starec resume` needs, e.g. `--budget calls=2000`.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: Literal["budget", "endpoint", "replay", "stopped", "worker"] = "endpoint",
        options: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.options = options


class LearningError(StarecError):
    """There is nothing to learn from, or the training diverges."""


class RunError(StarecError):
    """The folder of a run is missing, locked, damaged or of another kind."""


class DataWarning(UserWarning):
    """Data are used in another way than the settings say; the text says how."""


class PolicyWarning(UserWarning):
    """A policy asks its endpoint in another way than its settings say; the text says how."""


class WorkerWarning(UserWarning):
    """A worker was lost and is replaced; results do not change. The text says what is repeated."""


def os_hint(error: OSError) -> str:
    """Return what to do about an error of the operating system; empty if it says enough itself."""
    code = error.errno
    if code in (errno.EACCES, errno.EPERM):
        return "`ls -ld` on it and on its folder says who may read and write it"
    if code == errno.EROFS:
        return "that disk is read-only; name a place on another one"
    if code in (errno.ENOSPC, errno.EDQUOT):
        return "make room on that disk, or name a place on another one"
    if code == errno.ENAMETOOLONG:
        return "choose a shorter name"
    if code in (errno.EMFILE, errno.ENFILE):
        return "too many files are open: raise the limit with `ulimit -n 4096`"
    if code == errno.ENOTDIR:
        return "a part of the path is a file, where a folder is needed"
    if code == errno.EEXIST:
        return "a file has the name that a folder needs; move it away, or name another place"
    if code == errno.EISDIR:
        return "name a file in that folder"
    if code == errno.ENOENT:
        return f"check the path; relative ones start at {Path.cwd()}"
    return ""


class DeprecatedKeyWarning(FutureWarning):
    """A key or the name of a plug-in has a new name; the old one works for one more release."""


def import_problem(error: ImportError, install: str) -> tuple[str, str]:
    """Return why a package cannot be imported, and what to do.

    Args:
        error: What the import raised.
        install: The command that installs the package.

    >>> import_problem(ModuleNotFoundError("No module named 'x'", name="x"), "pip install x")
    ('x is not installed', 'pip install x')
    """
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed", install
    return str(error), "`pip check` names installed packages that do not fit each other"


class ContractWarning(UserWarning):
    """A plug-in may violate the protocol that it implements; results may depend on chance."""


_NAMED = 40
"""Known names that a message lists at most."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a phrase with the nearest known name, or with all or 40 names if none is near.

    The case of letters does not count, and the name itself is never suggested.

    >>> did_you_mean("rankin", ["feed", "ranking"])
    'did you mean "ranking"?'
    >>> did_you_mean("NDCG@10", ["hr@10", "ndcg@10"])
    'did you mean "ndcg@10"?'
    >>> did_you_mean("xyz", ["feed", "ranking"])
    'known: feed, ranking'
    """
    known = tuple(known)
    others = sorted(set(known) - {name})
    more = [f"and {len(others) - _NAMED} more"] if len(others) > _NAMED else []
    return near_name(name, known) or f"known: {', '.join(others[:_NAMED] + more) or 'none'}"


def near_name(name: str, known: Iterable[str]) -> str:
    """Return `did_you_mean` where a name is near; empty otherwise."""
    by_folded = {each.casefold(): each for each in sorted(set(known) - {name})}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f'did you mean "{by_folded[close[0]]}"?' if close else ""


def in_digits(text: str) -> str:
    """Return a whole number that is written as `1e6` or `1,000` in digits; else nothing.

    >>> in_digits("1e6"), in_digits("1,000"), in_digits("1.5")
    ('1000000', '1000', '')
    """
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", text):
        return text.replace(",", "")
    if not re.fullmatch(r"\d{1,20}(\.\d{1,20})?[eE]\+?\d{1,2}", text):
        return ""
    number = Decimal(text)
    return f"{int(number)}" if number == int(number) else ""
