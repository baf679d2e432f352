"""Listen on a port of this machine until the user stops it."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from starec_sim.errors import ConfigError
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.serving.server import AnnouncedServer
from starec_sim.viewer.app import Viewer

HOST = "127.0.0.1"
_GRACE_S = 2
"""How long answers in flight may take once the server has to stop."""


def serve(viewer: Viewer, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        viewer: What is shown; its port 0 takes a free one.
        ready: Called with the address once requests are answered.

    Raises:
        ConfigError: The port cannot be used.
    """
    try:
        listening = socket.create_server((HOST, viewer.port))
    except OSError as error:
        raise ConfigError(
            f"port {viewer.port} cannot be used: {error.strerror}",
            hint="name another with --port, or let one be chosen with --port 0",
        ) from error
    with listening:
        viewer.port = listening.getsockname()[1]
        config = uvicorn.Config(
            viewer.app(),
            access_log=False,
            lifespan="off",
            log_level="critical",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = AnnouncedServer(config, lambda: ready(f"http://{HOST}:{viewer.port}/"))
        viewer.stopping = lambda: server.should_exit
        run_coroutine(server.serve([listening]))
