"""Hash a text: the key under which the record stores it."""

from __future__ import annotations

import hashlib
from functools import lru_cache


@lru_cache(maxsize=1_024)
def text_hash(text: str) -> bytes:
    """Return the key of a text: the first 16 bytes of its SHA-256.

    It is cached, because a text is hashed up to three times: by replay, store and digest.
    """
    return hashlib.sha256(text.encode()).digest()[:16]
