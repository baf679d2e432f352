"""Whether LangChain's tracer may send prompts and answers to a LangSmith server.

LangChain traces whatever runs while LANGSMITH_TRACING (or LANGCHAIN_TRACING_V2) is set, also in
programs that say nothing of it. Here it traces only if the experiment says `tracing: on`.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from starec_sim.errors import ConfigError

_TIMEOUT_S = 3.0
"""How long the server may take to accept a connection or an upload."""
_FLUSH_S = 10.0
"""How long a run waits at its end for what is not sent yet."""


@contextmanager
def tracing(on: bool) -> Iterator[None]:
    """Let LangChain trace what runs inside the block, or keep it from tracing.

    Tasks and LangChain's threads that start inside the block follow it.
    """
    from langsmith.run_helpers import tracing_context

    if not on:
        with tracing_context(enabled=False):
            yield
        return
    from langsmith import Client
    from urllib3 import Retry

    milliseconds = int(1000 * _TIMEOUT_S)
    client = Client(
        _address(),
        api_key=_variable("API_KEY"),
        timeout_ms=(milliseconds, milliseconds),
        retry_config=Retry(total=0),
    )
    try:
        with tracing_context(enabled=True, client=client):
            yield
    finally:
        client.close(timeout=_FLUSH_S)


def check_tracing() -> str:
    """Return the line that says where a traced run sends its prompts.

    Raises:
        ConfigError: The server needs a key that is not set, or cannot be reached.
    """
    url = _address()
    host = urlsplit(url).hostname
    if urlsplit(url).scheme not in ("http", "https") or not host:
        raise ConfigError(
            f'tracing: on, but "{url}" is no address of a server',
            hint="export LANGSMITH_ENDPOINT=https://api.smith.langchain.com",
        )
    if host.endswith("smith.langchain.com") and not _variable("API_KEY"):
        raise ConfigError(
            f"tracing: on, but {host} needs a key and LANGSMITH_API_KEY is not set",
            hint="export LANGSMITH_API_KEY=..., or set tracing: off",
        )
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/info", timeout=_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError as error:
        raise ConfigError(
            f"tracing: on, but {host} cannot be reached: {getattr(error, 'reason', error)}",
            hint="start the server that LANGSMITH_ENDPOINT names, or set tracing: off",
        ) from None
    return f"tracing: all prompts and answers of this run are sent to {host}"


def _address() -> str:
    return _variable("ENDPOINT") or "https://api.smith.langchain.com"


def _variable(name: str) -> str | None:
    """Return an environment variable of LangSmith, under its present or its old name."""
    return os.environ.get(f"LANGSMITH_{name}") or os.environ.get(f"LANGCHAIN_{name}")
