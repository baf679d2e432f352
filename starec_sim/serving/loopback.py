"""Requests are accepted from this machine only, and not from web pages of other sites.

Listening on loopback keeps other machines out. It does not keep out web pages that are open in a
browser on this machine: they can send requests to any address, and with DNS rebinding they can read
the responses. They cannot change the headers `Host` and `Origin`, which the browser writes.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from starec_sim.serving.errors import RequestError

_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE | re.ASCII)
"""This machine's names, and a port. Nothing else is read: programs that read addresses differ in
what they make of a user before an `@`, of a backslash, or of a port that is no number."""
_ORIGIN = re.compile(rf"[a-z][a-z0-9+.-]*://{_HOST.pattern}", _HOST.flags)


class LoopbackOnly:
    """Passes on requests to this machine's name that were not sent by a page of another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            hosts, origins = headers.getlist("host"), headers.getlist("origin")
            problem = ""
            if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
                problem = f'this server answers to localhost, not to "{", ".join(hosts)}"'
            elif not all(map(_ORIGIN.fullmatch, origins)):
                problem = f'pages from "{", ".join(origins)}" may not use this server'
            if problem:
                if scope["type"] == "websocket":
                    await receive()  # the request to connect; closing refuses it with status 403
                    await send({"type": "websocket.close", "code": 1008, "reason": problem})
                    return
                error = RequestError(problem, status=403)
                await JSONResponse(error.as_json(), status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)
