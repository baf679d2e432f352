"""Serving an endpoint on a port of this machine until somebody stops it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starec_sim.errors import ConfigError
from starec_sim.serving.endpoint import Endpoint
from starec_sim.serving.errors import RequestError

HOST = "127.0.0.1"
_GRACE_S = 5
"""How long answers under way may take when the server is stopped."""


def serve(endpoint: Endpoint, port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; answers under way are given first, if they are soon.

    Args:
        endpoint: What is served.
        port: Of this machine; 0 takes a free one.
        ready: Called with the address once it can be asked.

    Raises:
        ConfigError: The port cannot be used.
        PolicyError: The policy cannot answer at all.
    """
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise ConfigError(
            f"port {port} cannot be used: {error.strerror}",
            hint="name another with --port, or let one be chosen with --port 0",
        ) from error
    with listening:
        asyncio.run(_serve(endpoint, listening, ready))


async def _serve(
    endpoint: Endpoint, listening: socket.socket, ready: Callable[[str], None]
) -> None:
    try:
        # Weights are read before anybody is told that they can be asked.
        await asyncio.to_thread(getattr, endpoint.model, "version", None)
        config = uvicorn.Config(
            _Farewell(endpoint.app()),
            access_log=False,
            lifespan="off",
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        address = f"http://{HOST}:{listening.getsockname()[1]}/v1"
        await _Announced(config, lambda: ready(address)).serve([listening])
    finally:
        close = getattr(endpoint.model, "aclose", None)
        if close is not None:
            await close()


class _Announced(uvicorn.Server):
    """Says that it can be asked once it listens, to questions and to Ctrl-C."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class _Farewell:
    """Tells those who still wait that the server is being stopped, instead of hanging up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            # Only a server whose grace is over cancels; its task ends with this answer.
            if begun:
                await send({"type": "http.response.body", "body": b""})
            else:
                error = RequestError("the server is being stopped", status=503)
                await JSONResponse(error.as_json(), error.status)(scope, receive, send)
