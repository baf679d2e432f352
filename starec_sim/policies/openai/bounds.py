"""What a server may do in answer to a request: redirect within its host, and send a few megabytes.

The functions here are hooks of the HTTP client, called with each response before its body is read.
"""

from __future__ import annotations

from typing import Any

from starec_sim.errors import PolicyError
from starec_sim.policies.gateway.failures import quoted

MAX_REDIRECTS = 3
MAX_BODY_BYTES = 8 << 20
"""Of a response, decompressed. Ids and log-probabilities of 10,000 tokens are below 2 MB."""
ACCEPTED_ENCODINGS = "gzip, deflate"
"""Others unfold a small body to gigabytes before it can be measured."""


async def check_redirect(response: Any) -> None:
    """Refuse to follow a redirect to another host: the prompts would go there.

    Raises:
        PolicyError: The response is such a redirect, or to something that is no plain address.
    """
    if not response.has_redirect_location:
        return
    asked, location = response.request.url, response.headers["location"]
    try:
        to = asked.join(location)
    except Exception:  # of the HTTP client, which versions of openai take from different packages
        to = None
    # Programs disagree about the host of an address with a backslash, or with a name before an @.
    if to is None or to.scheme not in ("http", "https") or to.userinfo or "\\" in location:
        raise PolicyError(
            f"{asked.copy_with(query=None)} redirects to what is no plain address: "
            f"{quoted(location, 120)}",
            hint="write the address of the API itself as base_url; see the server's log",
            cause="closed",
        )
    if (to.scheme, to.host, to.port) != (asked.scheme, asked.host, asked.port):
        base = str(to.copy_with(query=None)).removesuffix("/chat/completions")
        raise PolicyError(
            f"{asked.copy_with(query=None)} redirects to another server: {quoted(str(to), 120)}",
            hint=f"write base_url: {quoted(base, 120)} if prompts may be sent there",
            cause="closed",
        )


async def read_bounded(response: Any) -> None:
    """Read the body, but never more than `MAX_BODY_BYTES` of it.

    Raises:
        PolicyError: The body is longer, or in an encoding that was not asked for.
    """
    url = response.request.url.copy_with(query=None)
    encoding = response.headers.get("content-encoding", "identity").lower()
    if not set(encoding.replace(" ", "").split(",")) <= {"gzip", "deflate", "identity"}:
        raise PolicyError(
            f"{url} answered in the encoding {quoted(encoding, 40)!r}, which was not asked for",
            hint="see the settings of the server or of a proxy before it",
            cause="endpoint",
        )
    chunks, size = [], 0
    async for chunk in response.aiter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise PolicyError(
                f"{url} sent more than {MAX_BODY_BYTES >> 20} MB in one response",
                hint="see the server's log; base_url must be the API itself",
                cause="endpoint",
            )
    # Where the client keeps a body that it has read: it has no method that takes one.
    response._content = b"".join(chunks)
