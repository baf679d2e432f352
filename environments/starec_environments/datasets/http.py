"""Download of one file: the whole file, or an error."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from starec_sim.errors import DataError

TIMEOUT_S = 30.0
CHUNK = 1 << 16

Opener = Callable[[str], AbstractContextManager[Any]]
"""Opens a URL as a file-like object that has `headers`, as urllib's `urlopen` does."""


class Progress(Protocol):
    """Receives how far a download is."""

    def __call__(self, done: int, total: int | None) -> None:
        """Receive the bytes that are downloaded and those expected (None when unknown)."""
        ...


def urlopen(url: str) -> AbstractContextManager[Any]:
    """Open a URL for reading."""
    response: AbstractContextManager[Any] = urllib.request.urlopen(url, timeout=TIMEOUT_S)
    return response


def retrieve(
    url: str, to: Path, limit: int, by_hand: str, opener: Opener, progress: Progress | None
) -> None:
    """Download a URL to a file.

    Args:
        url: The address.
        to: The file, replaced if it is there.
        limit: The largest size allowed, in bytes.
        by_hand: What the user can do instead, for the hint.
        opener: How to open the URL.
        progress: Called after every chunk.

    Raises:
        DataError: No network, no such file, too large a file, or fewer bytes than announced.
    """
    done, total = 0, None
    with to.open("wb") as file:
        try:
            with opener(url) as response:
                length = response.headers.get("Content-Length")
                total = int(length) if length is not None else None
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    if done > limit:
                        raise DataError(
                            f"{url} is larger than {limit} bytes",
                            hint="this is not what was published; look at the page of the dataset",
                        )
                    if progress is not None:
                        progress(done, total)
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else None
            cause = reason or error
            raise DataError(
                f"{url} could not be downloaded ({done} bytes came): {cause}", hint=by_hand
            ) from error
    if total is not None and done < total:
        raise DataError(
            f"{url} ended after {done} of {total} bytes",
            hint=f"try again; if it keeps happening, {by_hand}",
        )
