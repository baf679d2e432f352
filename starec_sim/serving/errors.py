"""Errors in OpenAI's format: its clients raise the same exceptions as for OpenAI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starec_sim.errors import Cause, PolicyError

_STATUS: Mapping[Cause, int] = {
    "refused": 400,
    "endpoint": 503,
    "overload": 503,
    "time-out": 504,
    "denied": 502,
    "closed": 502,
}
"""The HTTP status for the cause of a policy's failure."""


class RequestError(Exception):
    """A request that is not answered.

    Args:
        message: The reason, and what to do instead.
        status: The HTTP status.
        param: The key that is wrong.
        code: OpenAI's code of the error, where it has one.
    """

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code

    def as_json(self) -> dict[str, Any]:
        """Return the body of the response."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        about = {"type": kind, "param": self.param, "code": self.code}
        return {"error": {"message": self.message, **about}}


def as_request_error(error: Exception) -> RequestError:
    """Return any error of a policy as a `RequestError`."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, PolicyError):
        return RequestError(str(error), status=_STATUS[error.cause])
    return RequestError(f"the policy failed: {type(error).__name__}: {error}", status=500)
