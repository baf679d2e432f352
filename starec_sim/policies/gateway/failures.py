"""What a failed call means: ask again, do not ask again, or pause the run.

Our own policies say so themselves (`PolicyError.cause`). Every other chat model raises the errors
of its SDK, which have an HTTP status in common, and little else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, runtime_checkable

from starec_sim.errors import Cause, PolicyError

_RETRIED = frozenset({408, 409, 425, 429})
_CLOSED = frozenset({401, 402, 403, 404})


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

    >>> [cause_of_status(status) for status in (503, 429, 400, 401)]
    ['endpoint', 'endpoint', 'refused', 'closed']
    """
    if status in _CLOSED or code in ("insufficient_quota", "billing_not_active"):
        return "closed"
    return "endpoint" if status in _RETRIED or status >= 500 else "refused"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds to wait before the next call, by `Retry-After`; None without it.

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
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def as_policy_error(error: Exception, policy: str) -> PolicyError:
    """Return the error of a chat model as a `PolicyError` with its cause.

    Args:
        error: What the chat model raised.
        policy: The name of the policy, for the message.
    """
    if isinstance(error, PolicyError):
        return error
    name = type(error).__name__
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
    why = " ".join(f"{name}: {error}".removesuffix(": ").split())
    failure = PolicyError(
        f'the policy "{policy}" failed: {why}',
        hint=_HINTS[cause],
        cause=cause,
        retry_after_s=_retry_after_s_of(response),
    )
    failure.__cause__ = error
    return failure


_HINTS: Mapping[Cause, str] = {
    "endpoint": "check that its endpoint is up, or lower `limits` of the policy",
    "time-out": "raise gateway.timeout_s, or lower limits.in_flight of the policy",
    "refused": "change the setting that it names",
    "closed": "check the key it reads from the environment, its model's name and your account",
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
