"""The endpoint that a policy asks: its address, its model and its key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from starec_sim.errors import ConfigError
from starec_sim.policies.gateway.failures import quoted

OPENAI_URL = "https://api.openai.com/v1"

_RESOURCE = re.compile(
    r"/(chat/completions|completions|chat|responses|messages|embeddings|models)$", re.IGNORECASE
)
"""What follows the address of an API in the address of one of its resources."""
_SECRET = re.compile(r"(key|token|secret|password|signature)$|^(sig|auth|code)$", re.IGNORECASE)
"""Names of query parameters that hold a secret."""


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
        return quoted(text.replace(self.key, "***") if self.key else text, limit)


def is_openai(url: str) -> bool:
    """Return whether an address is OpenAI's own."""
    return str(urlsplit(url).hostname).endswith("api.openai.com")


def is_azure(url: str) -> bool:
    """Return whether an address is one of Azure's, which want the key in a header of their own."""
    return str(urlsplit(url).hostname).endswith(".azure.com")


def check_url(url: str) -> str:
    """Return an address without a final slash.

    Raises:
        ConfigError: It is no address of an API; the message says what to write.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(
            f"base_url: {_EXPECTED}, got {quoted(url, 80)!r}: {error}",
            hint="write the host, and a port between 1 and 65535 behind its colon",
        ) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigError(
            f"base_url: {_EXPECTED}, got {quoted(url, 80)!r}",
            hint=_with_scheme(url) or "write it with http:// or https://, and its host",
        )
    if parts.username or parts.password:
        raise ConfigError(
            "base_url: a user name or a key does not belong in the address, which is stored with "
            "the run",
            hint="name the environment variable that holds the key in api_key_env",
        )
    bare = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
    if parts.query:
        raise _query_in_address(bare, parts.query)
    if found := _RESOURCE.search(bare):
        raise ConfigError(
            f"base_url: {quoted(bare, 120)} ends in {found[0]}, which every call adds itself or "
            "does not ask for",
            hint=f"write base_url: {bare[: found.start()]}",
        )
    return bare


def check_query(query: Mapping[str, str]) -> Mapping[str, str]:
    """Return the query parameters of every request.

    Raises:
        ConfigError: One is a secret, which would be stored with the configuration.
    """
    if secret := [name for name in query if _SECRET.search(name)]:
        raise ConfigError(
            f"extra_query: {secret[0]} looks like a key, and settings are stored with the run",
            hint="name the environment variable that holds the key in api_key_env",
        )
    return query


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


_EXPECTED = "expected an address such as http://localhost:8000/v1"


def _with_scheme(url: str) -> str:
    """Return the hint for an address that begins with its host; empty if it does not."""
    local = re.match(r"(localhost|127\.|0\.0\.0\.0|\[::1\])", url)
    if local or re.match(r"[\w-]+(\.[\w-]+)*(:\d+)?(/|$)", url):
        return f"write base_url: {'http' if local else 'https'}://{quoted(url, 80)}"
    return ""


def _query_in_address(bare: str, query: str) -> ConfigError:
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_SECRET.search(name) for name, _ in pairs):
        return ConfigError(
            f"base_url: a key does not belong in the address {quoted(bare, 120)}?..., which is "
            "stored with the run",
            hint=f"write base_url: {bare}, and name the environment variable that holds the key "
            "in api_key_env",
        )
    parameters = ", ".join(f'{name}: "{quoted(value, 40)}"' for name, value in pairs)
    return ConfigError(
        f"base_url: the query parameters of {quoted(bare, 120)}?{quoted(query, 80)} are a setting "
        "of their own",
        hint=f"write base_url: {bare} and extra_query: {{{parameters}}}",
    )
