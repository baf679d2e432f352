"""What a failed call means: ask again, do not ask again, or pause the run.

Our own policies say so themselves (`PolicyError.cause`). Every other chat model raises the errors
of its SDK, which have an HTTP status in common, and little else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, runtime_checkable

from starec_sim.errors import MEND, Cause, PolicyError

_RETRIED = frozenset({408, 409, 425})
_OVERLOADED = frozenset({429, 503, 529})
_CLOSED = frozenset({401, 402})
_DENIED = frozenset({403, 404})


@runtime_checkable
class _HasStatus(Protocol):
    """An error or a response with an HTTP status."""

    @property
    def status_code(self) -> object: ...


@runtime_checkable
class _HasResponse(Protocol):
    """An error that keeps the response it was made from."""

    @property
    def response(self) -> object: ...


@runtime_checkable
class _HasHeaders(Protocol):
    """A response with headers."""

    @property
    def headers(self) -> object: ...


@runtime_checkable
class _HasCode(Protocol):
    """An error with the code that stood in the body of the response."""

    @property
    def code(self) -> object: ...


def cause_of_status(status: int, code: str = "") -> Cause:
    """Return the cause of a failure by the HTTP status of the response.

    Args:
        status: The HTTP status.
        code: The error code in the body; an account without credit answers 429, like an overload.

    >>> [cause_of_status(status) for status in (500, 429, 400, 401, 403)]
    ['endpoint', 'overload', 'refused', 'closed', 'denied']
    """
    if status in _CLOSED or code in ("insufficient_quota", "billing_not_active"):
        return "closed"
    if status in _DENIED:
        return "denied"
    if status in _OVERLOADED:
        return "overload"
    return "endpoint" if status in _RETRIED or status >= 500 else "refused"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds to wait before the next call, by `Retry-After`; None without it.

    A point in time is compared with the `Date` of the same response, because the clock of this
    machine may differ from that of the endpoint.

    >>> retry_after_s({"retry-after": "7"}), retry_after_s({"retry-after-ms": "1500"})
    (7.0, 1.5)
    """
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(headers["retry-after"]).timestamp()
        now = parsedate_to_datetime(headers["date"]).timestamp() if "date" in headers else None
        return max(0.0, then - (time.time() if now is None else now))
    except (TypeError, ValueError):
        return None


def quoted(text: str, limit: int) -> str:
    r"""Return foreign text as one bounded line in which control characters are visible.

    >>> quoted("no\n such\x1b[31m key", 40), quoted("abcdef", 3)
    ('no such\\x1b[31m key', 'abc...')
    """
    # Cut first: an endpoint may send megabytes.
    line = " ".join(text[: 8 * limit].split())
    shown = line if len(line) <= limit else f"{line[:limit]}..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown)


class RaisedByPlugin(Exception):  # noqa: N818 - the gateway turns it into an error
    """The code of a plug-in in a file raised an error that is none of an endpoint.

    Args:
        error: What it raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def of_endpoint(error: BaseException) -> bool:
    """Return whether an error may come from an endpoint or the connection to it."""
    name = type(error).__name__.lower()
    response = error.response if isinstance(error, _HasResponse) else None
    return (
        isinstance(error, PolicyError | OSError | ImportError)
        or "timeout" in name
        or "connect" in name
        or (_status(error) or _status(response)) is not None
    )


def as_policy_error(error: BaseException, policy: str, line: str = "") -> PolicyError:
    """Return the error of a chat model as a `PolicyError` with its cause.

    Args:
        error: What the chat model raised.
        policy: The name of the policy, for the message.
        line: Where its own code raised it, ` (file.py:12)`; empty if it is no plug-in's own code.
    """
    if isinstance(error, PolicyError):
        return error
    name = type(error).__name__
    if isinstance(error, ImportError):
        return _not_installed(error, policy)
    response = error.response if isinstance(error, _HasResponse) else None
    status = _status(error) or _status(response)
    if status is not None:
        cause = cause_of_status(status, str(error.code) if isinstance(error, _HasCode) else "")
    elif isinstance(error, TimeoutError) or "timeout" in name.lower():
        cause = "time-out"
    elif isinstance(error, ConnectionError) or "connect" in name.lower():
        cause = "endpoint"
    else:
        cause = "refused"
    why = quoted(f"{name}: {error}".removesuffix(": "), 300)
    failure = PolicyError(
        f'the policy "{policy}" failed: {why}{line}',
        hint=MEND if line else _HINTS[cause],
        cause=cause,
        retry_after_s=_retry_after_s_of(response),
    )
    failure.__cause__ = error
    return failure


def _not_installed(error: ImportError, policy: str) -> PolicyError:
    failure = PolicyError(
        f'the policy "{policy}" cannot import what it needs: {quoted(str(error), 300)}',
        hint=install_hint(error),
        cause="closed",
    )
    failure.__cause__ = error
    return failure


def install_hint(error: ImportError) -> str:
    """Return what to do about a module that cannot be imported."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        module = error.name.partition(".")[0]
        return f"install the package that has the module {module}, e.g. pip install {module}"
    return "install a version of that package that has this name"


_HINTS: Mapping[Cause, str] = {
    "endpoint": "check that its endpoint is up",
    "overload": "lower `limits` of the policy, or raise gateway.retries",
    "time-out": "raise gateway.timeout_s, or lower limits.in_flight of the policy",
    "refused": "change the setting that it names",
    "denied": "check its model's name and address, and what its key may use",
    "closed": "check the key it reads from the environment, and your account",
}


def _status(of: object) -> int | None:
    status = of.status_code if isinstance(of, _HasStatus) else None
    return status if isinstance(status, int) else None


def _retry_after_s_of(response: object) -> float | None:
    headers: Any = response.headers if isinstance(response, _HasHeaders) else {}
    try:
        return retry_after_s({str(key).lower(): str(value) for key, value in headers.items()})
    except AttributeError:
        return None
