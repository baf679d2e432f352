"""Requests are accepted from this machine only, and not from web pages of other sites.

Listening on loopback keeps other machines out. It does not keep out web pages that are open in a
browser on this machine: they can send requests to any address, and with DNS rebinding they can read
the responses. They cannot change the headers `Host` and `Origin`, which the browser writes.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from starec_sim.serving.errors import RequestError

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class LoopbackOnly:
    """Passes on requests to this machine's name that were not sent by a page of another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            problem = ""
            if _name(f"//{host}") not in _THIS_MACHINE:
                problem = f'this server answers to localhost, not to "{host}"'
            elif origin is not None and _name(origin) not in _THIS_MACHINE:
                problem = f'pages from "{origin}" may not use this server'
            if problem:
                error = RequestError(problem, status=403)
                await JSONResponse(error.as_json(), status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
