"""Which servers and keys the policies of a configuration may name.

The configuration of a folder that somebody else made decides where prompts go, and which variable
of the environment goes with them. So both are refused unless the user trusts the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from starec_sim.errors import StarecError
from starec_sim.visible_text import visible

_refuse: ContextVar[Callable[[str], StarecError] | None] = ContextVar(
    "refused endpoint", default=None
)


@contextmanager
def allowed_endpoints(error: Callable[[str], StarecError] | None) -> Iterator[None]:
    """Refuse policies that name another machine or a variable of the environment, in the block.

    Args:
        error: Takes what a policy names; returns the error that is raised. None allows all.
    """
    token = _refuse.set(error)
    try:
        yield
    finally:
        _refuse.reset(token)


def check_endpoint(spec: Mapping[str, Any], at: str) -> None:
    """Raise the error of `allowed_endpoints` if a policy may not name what it names.

    Args:
        spec: The policy, `{"use": reference, **settings}`.
        at: The dotted key of the spec, for the message.
    """
    refuse = _refuse.get()
    if refuse is None:
        return
    named = [
        f"{at}.{key}: {value}"
        for key, value in spec.items()
        if isinstance(value, str) and (key.endswith("_env") or _is_elsewhere(key, value))
    ]
    if named:
        raise refuse(visible("; ".join(named)))


def _is_elsewhere(key: str, value: str) -> bool:
    """Return whether a setting is an address of another machine."""
    return (key == "base_url" or "://" in value) and not _is_loopback(value)


def _is_loopback(url: str) -> bool:
    """Return whether an address is one of this machine.

    >>> _is_loopback("http://127.0.0.1:8000/v1"), _is_loopback("http://localhost.example.com/v1")
    (True, False)
    """
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # the address is broken, or its host is another name
        return False
