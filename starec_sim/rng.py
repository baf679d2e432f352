"""Keyed randomness: every draw has an address, and does not depend on when it is made.

With one shared stream, the numbers of a user would depend on the order in which visits finish. No
decision of a simulation may use a global seed, `hash()`, the order of a set or the clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from starec_sim.types import FloatArray

_Words = NDArray[np.uint64]


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

    def uniforms(
        self, purpose: str, users: Sequence[int], round: int, call: int, count: int
    ) -> FloatArray:
        """Return the first numbers of the streams of many users, shape (users, count).

        A row is `stream(purpose, user=user, round=round, call=call).random(count)`, to the bit.
        Philox is computed for all users at once: a generator for each of them takes longer.
        """
        blocks = -(-count // 4)  # of four numbers each
        # A generator counts up before its first block.
        first = np.tile(np.arange(1, blocks + 1, dtype=np.uint64), len(users))
        of = np.repeat(np.array(users, np.uint64), blocks)
        same = np.ones(len(first), np.uint64)
        words = _philox(
            (first, same * np.uint64(call), same * np.uint64(round), of),
            (self.seed % 2**64, _purpose_key(purpose)),
        )
        numbers = ((np.stack(words, axis=1) >> np.uint64(11)) * 2.0**-53).astype(np.float64)
        return numbers.reshape(len(users), -1)[:, :count]

    def integer(self, purpose: str, *, user: int = 0, round: int = 0, call: int = 0) -> int:
        """Return the first 31-bit integer of a stream, e.g. for the `seed` of a model call."""
        draw = self.stream(purpose, user=user, round=round, call=call)
        return int(draw.integers(2**31))


_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def _philox(
    counter: tuple[_Words, _Words, _Words, _Words], key: tuple[int, int]
) -> tuple[_Words, _Words, _Words, _Words]:
    """Return the four words of Philox4x64-10 for each counter (Salmon et al., 2011, section 4.3).

    Args:
        counter: Its four words, each an array with one for each block.
        key: Its two words.
    """
    c0, c1, c2, c3 = counter
    for number in range(_ROUNDS):
        k0, k1 = (np.uint64((k + number * w) % 2**64) for k, w in zip(key, _WEYL, strict=True))
        high0, low0 = _product(c0, _MULTIPLIERS[0])
        high1, low1 = _product(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return c0, c1, c2, c3


def _product(words: _Words, factor: int) -> tuple[_Words, _Words]:
    """Return the upper and the lower 64 bits of products of 64 bits."""
    high, low = np.uint64(factor >> 32), np.uint64(factor & 0xFFFFFFFF)
    word_high, word_low = words >> _HALF, words & _LOW
    middle = word_high * low + (word_low * low >> _HALF)
    cross = (middle & _LOW) + word_low * high
    upper = word_high * high + (middle >> _HALF) + (cross >> _HALF)
    return upper, words * np.uint64(factor)
