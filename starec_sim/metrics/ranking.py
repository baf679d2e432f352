"""Metrics of rankings with one relevant item, one value per user.

`ranks` is a float array of shape (users,): the 1-based rank of the relevant item in the user's
answer, NaN if the answer does not contain it. Then the metric is 0; the user is not left out.
"""

from __future__ import annotations

import numpy as np

from starec_sim.types import FloatArray


def _check_ranks(ranks: FloatArray) -> None:
    assert ranks.ndim == 1, f"ranks must have shape (users,), got {ranks.shape}"
    assert not (ranks < 1).any(), "ranks are counted from 1"


def ndcg(ranks: FloatArray, k: int) -> FloatArray:
    """Return the normalised discounted cumulative gain at k (NDCG@k).

    With one relevant item the ideal gain is 1, and NDCG@k = 1 / log2(1 + rank) if rank <= k, else
    0. Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques".

    Args:
        ranks: Shape (users,), see the docstring of the module.
        k: Number of first places that count.

    Returns:
        Shape (users,), in [0, 1].

    >>> ndcg(np.array([1.0, 3.0, np.nan]), k=10)
    array([1. , 0.5, 0. ])
    """
    _check_ranks(ranks)
    return np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0)


def hit_rate(ranks: FloatArray, k: int) -> FloatArray:
    """Return the hit rate at k: 1 if rank <= k, else 0.

    Deshpande and Karypis (2004), "Item-based top-N recommendation algorithms".

    Args:
        ranks: Shape (users,), see the docstring of the module.
        k: Number of first places that count.

    Returns:
        Shape (users,), each 0 or 1; the mean is the hit rate.
    """
    _check_ranks(ranks)
    return (ranks <= k).astype(np.float64)


def reciprocal_rank(ranks: FloatArray) -> FloatArray:
    """Return the reciprocal rank: 1 / rank, 0 for a missing item.

    Voorhees (1999), "The TREC-8 question answering track report".

    Args:
        ranks: Shape (users,), see the docstring of the module.

    Returns:
        Shape (users,), in [0, 1]; the mean is the MRR.
    """
    _check_ranks(ranks)
    return np.nan_to_num(1 / ranks, nan=0.0)
