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
        PolicyError: The response is such a redirect.
    """
    if not response.has_redirect_location:
        return
    asked, to = response.request.url, response.request.url.join(response.headers["location"])
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
