"""Serving an endpoint on a port of this machine, until it is stopped."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starec_sim.errors import ConfigError
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.serving.errors import RequestError

HOST = "127.0.0.1"
_GRACE_S = 5
"""How long answers in flight may take once the server has to stop."""
_MAX_MESSAGE = 2**20
"""The most bytes of a WebSocket message."""


class Served(Protocol):
    """What can be served."""

    async def open(self) -> None:
        """Let policies read their weights, or find their keys."""
        ...

    async def close(self) -> None:
        """Close what policies hold open."""
        ...

    def app(self) -> ASGIApp:
        """Return the ASGI application."""
        ...


def serve(endpoint: Served, port: int, ready: Callable[[str], None], *, path: str = "/v1") -> None:
    """Serve until Ctrl-C or SIGTERM; answers in flight are waited for a few seconds.

    Args:
        endpoint: The endpoint.
        port: A port of this machine; 0 takes a free one.
        ready: Called with the address once requests are answered.
        path: The end of the address.

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
        run_coroutine(_serve(endpoint, listening, lambda root: ready(root + path)))


async def _serve(endpoint: Served, listening: socket.socket, ready: Callable[[str], None]) -> None:
    try:
        # Before `ready`: the first request must not wait for the weights.
        await endpoint.open()
        config = uvicorn.Config(
            _ShutdownErrors(endpoint.app()),
            access_log=False,
            lifespan="off",
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            ws_max_size=_MAX_MESSAGE,
        )
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        await AnnouncedServer(config, lambda: ready(address)).serve([listening])
    finally:
        await endpoint.close()


class AnnouncedServer(uvicorn.Server):
    """Calls `ready` once it answers requests and listens to Ctrl-C."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer requests on the sockets."""
        await super().startup(sockets)
        self._ready()


class _ShutdownErrors:
    """Answers requests that are still open at the shutdown with an error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            # The server cancels when the grace period is over; this response ends the task.
            if scope["type"] == "websocket":
                return
            if started:
                await send({"type": "http.response.body", "body": b""})
            else:
                error = RequestError("the server is being stopped", status=503)
                await JSONResponse(error.as_json(), error.status)(scope, receive, send)
