"""Requests are answered for pages of this server only, and its pages load nothing from elsewhere.

The server listens on loopback, which keeps other machines out. Pages of other sites that are open
in a browser on this machine can still send requests to it, and with DNS rebinding they could read
the answers. They cannot change the headers `Host`, `Origin` and `Sec-Fetch-Site`, which the browser
writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_METHODS = ("GET", "HEAD", "POST")
OWN_HEADER = "X-Starec"
"""A request that changes something has it: pages of other sites cannot set it without asking."""


class RequestGuards:
    """Refuses requests that are not of this server's own pages, and adds headers to all answers.

    Args:
        app: Answers the others.
        port: The port of the server.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        names = ("127.0.0.1", "localhost")
        self._hosts = {f"{name}:{port}" for name in names}
        if port == 80:
            self._hosts |= set(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        status, problem = self._problem(scope)
        if problem:
            body = {"error": problem, "hint": "open the address that starec view prints"}
            await JSONResponse(body, status)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _problem(self, scope: Scope) -> tuple[int, str]:
        """Return the status and the reason for which a request is refused, if it is."""
        headers, method = Headers(scope=scope), scope["method"]
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if method not in _METHODS:
            return 405, f"the method {method[:20]} is not allowed"
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return 403, f'this server does not answer to "{", ".join(hosts)[:200]}"'
        if any(origin != f"http://{hosts[0]}" for origin in origins) or len(origins) > 1:
            return 403, f'pages from "{", ".join(origins)[:200]}" may not use this server'
        site = headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none") and scope["path"] not in ("/", "/index.html"):
            return 403, "pages of other sites may not use this server"
        if method == "POST":
            if not origins or headers.get(OWN_HEADER) != "1":
                return 403, "only pages of this server may change something"
            if headers.get("content-type", "").partition(";")[0] != "application/json":
                return 415, "the request is not JSON"
        return 200, ""
