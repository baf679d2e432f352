"""A door that opens to this machine only.

Listening on loopback keeps other machines out, but not the web pages that a browser on this one has
open: those can send requests anywhere, and by DNS rebinding even read the answers. They cannot
choose what the browser writes into `Host` and `Origin`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from starec_sim.serving.errors import RequestError

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class OnlyFromHere:
    """Passes on what was addressed to this machine and was not sent by a page from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            problem = ""
            if _name(f"//{host}") not in _HERE:
                problem = f'this server answers to localhost, not to "{host}"'
            elif origin is not None and _name(origin) not in _HERE:
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
