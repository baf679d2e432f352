"""An index over the memories of one user: rows of small integers, searched by angle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int8]
"""Vectors in one byte a number: direction is all that counts, so the longest number becomes 127."""


def quantised(vectors: NDArray[np.float32]) -> Codes:
    """Return vectors as codes, row by row.

    >>> quantised(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32)).tolist()
    [[64, -127], [0, 0]]
    """
    wide = vectors.astype(np.float64)  # 127 / largest would be infinite for the smallest singles
    largest = np.abs(wide).max(axis=1, keepdims=True, initial=0.0)
    scale = np.divide(127.0, largest, out=np.zeros_like(largest), where=largest > 0)
    codes: Codes = np.rint(wide * scale).astype(np.int8)
    return codes


def similarities(one: Codes, other: Codes) -> NDArray[np.float64]:
    """Return the cosine of every row with every other; 0 where a row says nothing.

    Products and sums are whole numbers, so that the result depends on no order of summing.

    Args:
        one: Codes of shape (n, d).
        other: Codes of shape (m, d).

    Returns:
        An array of shape (n, m).
    """
    wide, wide_other = one.astype(np.int32), other.astype(np.int32)
    lengths = np.sqrt((wide**2).sum(axis=1)[:, None] * (wide_other**2).sum(axis=1).astype(float))
    products = (wide @ wide_other.T).astype(np.float64)
    cosines: NDArray[np.float64] = np.divide(
        products, lengths, out=np.zeros_like(products), where=lengths > 0
    )
    return cosines


class MemoryIndex:
    """The memories of one user, oldest first.

    Args:
        codes: One row a memory, from `quantised`.
    """

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    @property
    def nbytes(self) -> int:
        """How much memory the vectors take."""
        return self.codes.nbytes

    def nearest(self, seen: Codes, top: int) -> Sequence[int]:
        """Return the places of the memories that are nearest to any of what is seen.

        Args:
            seen: One row for each thing seen.
            top: The most memories wanted. Those that have nothing in common with what is seen are
                not among them; of equals, the later is nearer.

        Returns:
            Places in ascending order: as they were lived.
        """
        if not len(self.codes) or not len(seen):
            return []
        nearness = similarities(self.codes, seen).max(axis=1)
        order = sorted(range(len(nearness)), key=lambda place: (-nearness[place], -place))
        return sorted(place for place in order[:top] if nearness[place] > 0)
