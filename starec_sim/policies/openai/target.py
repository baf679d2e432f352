"""The endpoint that a policy asks: its address, its model and its key."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from starec_sim.errors import ConfigError

OPENAI_URL = "https://api.openai.com/v1"


class Target(NamedTuple):
    """The endpoint of one call, as its error messages name it."""

    url: str
    model: str
    key: str
    """The secret itself; empty if none is sent. No message may contain it."""
    key_variable: str | None
    """The environment variable that holds the key."""
    timeout_s: float

    def quote(self, text: str, limit: int) -> str:
        """Return one line of the server's text, bounded, with the key replaced by asterisks."""
        line = " ".join((text.replace(self.key, "***") if self.key else text).split())
        return line if len(line) <= limit else line[:limit] + "..."


def is_openai(url: str) -> bool:
    """Return whether an address is OpenAI's own."""
    return str(urlsplit(url).hostname).endswith("api.openai.com")


def check_url(url: str) -> str:
    """Return an address without a final slash.

    Raises:
        ValueError: It is no address of an API, or it contains a secret, which would be stored with
            the configuration.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("expected an address such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError("a key does not belong in the address; name its variable in api_key_env")
    return url.rstrip("/")


def check_variable(name: str) -> str:
    """Return the name of an environment variable.

    Raises:
        ConfigError: It is no such name, perhaps the key itself. The message does not repeat it.
    """
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise ConfigError(
            "api_key_env: expected the name of an environment variable, in capitals",
            hint="write `api_key_env: OPENAI_API_KEY`; in the shell `export OPENAI_API_KEY=...`",
        )
    return name
