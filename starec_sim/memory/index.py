"""An index of the memories of one user: vectors of 8-bit integers, searched by cosine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int8]
"""Vectors of 8-bit integers, shape (n, d), scaled so that the largest number of each is 127."""


def quantise(vectors: NDArray[np.float32]) -> Codes:
    """Return vectors as codes, each row scaled on its own; only directions are kept.

    Args:
        vectors: Shape (n, d).

    >>> quantise(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32)).tolist()
    [[64, -127], [0, 0]]
    """
    wide = vectors.astype(np.float64)  # in single precision, 127 / largest can overflow
    largest = np.abs(wide).max(axis=1, keepdims=True, initial=0.0)
    scale = np.divide(127.0, largest, out=np.zeros_like(largest), where=largest > 0)
    codes: Codes = np.rint(wide * scale).astype(np.int8)
    return codes


def similarities(one: Codes, other: Codes) -> NDArray[np.float64]:
    """Return the cosines of all pairs of rows; 0 for a row of zeros.

    Products and sums are integers, so the result does not depend on the order of summation.

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


class Neighbour(NamedTuple):
    """A memory that is similar to what is seen."""

    place: int
    """Its place among the memories, oldest first."""
    similarity: float
    """The greatest cosine to an item seen."""


class MemoryIndex:
    """The memories of one user, oldest first.

    Args:
        codes: Shape (memories, d), from `quantise`.
    """

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    @property
    def nbytes(self) -> int:
        """Size of the vectors in bytes."""
        return self.codes.nbytes

    def nearest(self, seen: Codes, top: int) -> list[Neighbour]:
        """Return the places of the memories with the greatest cosine to any of the items seen.

        Args:
            seen: Codes of the items seen, shape (items, d).
            top: The greatest number of memories. A memory whose cosines are not positive is left
                out. Of equal memories, the later one comes first.

        Returns:
            Places with their cosines, in ascending order of place, so oldest first.
        """
        if not len(self.codes) or not len(seen):
            return []
        cosines = similarities(self.codes, seen).max(axis=1)
        order = sorted(range(len(cosines)), key=lambda place: (-cosines[place], -place))
        chosen = sorted(place for place in order[:top] if cosines[place] > 0)
        return [Neighbour(place, float(cosines[place])) for place in chosen]
