"""What a failed call means: shall it be asked again, is it its own fault, or does it hit everybody?

Our own policies say so themselves (`PolicyError.cause`). Every other chat model raises what its SDK
raises; those agree on carrying an HTTP status, and on little else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from starec_sim.errors import Cause, PolicyError

_AGAIN = frozenset({408, 409, 425, 429})
_EVERYBODY = frozenset({401, 402, 403, 404})


def cause_of_status(status: int, code: str = "") -> Cause:
    """Return what an HTTP status says about a call.

    Args:
        status: Of the answer.
        code: The error code in its body; an empty account answers 429, like an overload.

    >>> [cause_of_status(status) for status in (503, 429, 400, 401)]
    ['endpoint', 'endpoint', 'refused', 'closed']
    """
    if status in _EVERYBODY or code in ("insufficient_quota", "billing_not_active"):
        return "closed"
    return "endpoint" if status in _AGAIN or status >= 500 else "refused"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long an answer asks to be left alone, from its `Retry-After`; None if it doesn't.

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


def explained(error: Exception, policy: str) -> PolicyError:
    """Return any error of a chat model as ours, with its cause."""
    if isinstance(error, PolicyError):
        return error
    name, response = type(error).__name__, getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    headers = getattr(response, "headers", None) or {}
    if isinstance(status, int):
        cause = cause_of_status(status, str(getattr(error, "code", "")))
    elif isinstance(error, TimeoutError) or "timeout" in name.lower():
        cause = "time-out"
    elif isinstance(error, ConnectionError) or "connect" in name.lower():
        cause = "endpoint"
    else:
        cause = "refused"
    why = " ".join(f"{name}: {error}".removesuffix(": ").split())
    found = PolicyError(
        f'the policy "{policy}" failed: {why}',
        hint=_HINTS[cause],
        cause=cause,
        retry_after_s=_known(headers),
    )
    found.__cause__ = error
    return found


_HINTS: Mapping[Cause, str] = {
    "endpoint": "see whether its endpoint is up, and ask it less hard: `limits` of the policy",
    "time-out": "raise gateway.timeout_s, or lower limits.in_flight of the policy",
    "refused": "change the setting that it names",
    "closed": "check the key it reads from the environment, its model's name and your account",
}


def _known(headers: Any) -> float | None:
    try:
        return retry_after_s({str(key).lower(): str(value) for key, value in headers.items()})
    except AttributeError:
        return None
