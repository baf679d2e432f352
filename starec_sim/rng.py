"""Keyed randomness: every draw has an address, and does not depend on when it is made.

With one shared stream, the numbers of a user would depend on the order in which visits finish. No
decision of a simulation may use a global seed, `hash()`, the order of a set or the clock.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=256)
def _purpose_key(purpose: str) -> int:
    return int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")


class Streams:
    """Random streams addressed by (seed, purpose, user, round, call).

    Philox is a counter-based generator (Salmon et al., 2011, "Parallel random numbers: as easy as
    1, 2, 3"): seed and purpose are its 128-bit key; call, round and user fill the upper words of
    its 256-bit counter, so two addresses never share a number (each stream holds 2^64 blocks).

    >>> streams = Streams(seed=7)
    >>> a = streams.stream("negatives", user=3, round=1).integers(100)
    >>> a == streams.stream("negatives", user=3, round=1).integers(100)
    np.True_
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(
        self, purpose: str, *, user: int = 0, round: int = 0, call: int = 0
    ) -> np.random.Generator:
        """Return a new generator at the start of the addressed stream.

        Args:
            purpose: The name of the stream.
            user: Row of the user.
            round: The round.
            call: Number of the draw, if one user draws several times in a round.
        """
        bits = np.random.Philox(
            key=np.array([self.seed % 2**64, _purpose_key(purpose)], dtype=np.uint64),
            counter=np.array([0, call, round, user], dtype=np.uint64),
        )
        return np.random.Generator(bits)

    def integer(self, purpose: str, *, user: int = 0, round: int = 0, call: int = 0) -> int:
        """Return the first 31-bit integer of a stream, e.g. for the `seed` of a model call."""
        draw = self.stream(purpose, user=user, round=round, call=call)
        return int(draw.integers(2**31))
