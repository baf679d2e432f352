"""Diversity, coverage, concentration, popularity and drift of what is shown and consumed.

`lists` and `slates` are integer arrays of shape (users, k), padded with -1 where a list is shorter.
`attributes` is a binary array of shape (items, values), 1 where the item has the attribute value
(a genre, say). `exposures` counts how often each item was shown, shape (items,).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.types import FloatArray, IntArray


def intra_list_diversity(attributes: NDArray[Any], slates: IntArray) -> FloatArray:
    """Return the mean distance between the items of a list, over all its pairs.

    ILD(L) = 2 / (m (m - 1)) * sum over pairs {i, j} of L of (1 - cos(a_i, a_j)). Smyth and McClave
    (2001), "Similarity vs. diversity"; Ziegler et al. (2005), "Improving recommendation lists
    through topic diversification" (their intra-list similarity sums where this averages). An item
    without attributes has cosine 0, hence distance 1, to any other.

    Args:
        attributes: Shape (items, values).
        slates: Shape (users, k).

    Returns:
        Shape (users,), in [0, 1]; NaN for a list of fewer than two items.
    """
    assert attributes.ndim == 2, f"attributes must have shape (items, values): {attributes.shape}"
    _check_lists(slates, len(attributes))
    length = np.linalg.norm(attributes, axis=1, keepdims=True)
    unit = attributes / np.where(length > 0, length, 1.0)
    present = slates >= 0
    vectors = np.where(present[..., None], unit[slates], 0.0)
    # The square of a sum holds every pair twice and every vector with itself once.
    twice = (vectors.sum(axis=1) ** 2).sum(axis=1) - (vectors**2).sum(axis=(1, 2))
    m = present.sum(axis=1)
    pairs = m * (m - 1)
    similarity: FloatArray = twice / np.where(pairs > 0, pairs, np.nan)
    return np.clip(1 - similarity, 0.0, 1.0)


def coverage(exposures: IntArray) -> float:
    """Return the share of the catalogue that was shown at least once.

    Herlocker et al. (2004), "Evaluating collaborative filtering recommender systems", section 4.2.

    Args:
        exposures: Shape (items,).

    Returns:
        A number in [0, 1].
    """
    assert exposures.ndim == 1 and exposures.size > 0, exposures.shape
    return float((exposures > 0).mean())


def gini(exposures: IntArray | FloatArray) -> float:
    """Return the Gini coefficient of the exposures: 0 if all items are shown equally often.

    G = sum_i (2 i - n - 1) x_(i) / (n sum_i x_i) with x sorted ascending and i from 1; it is
    1 - 1/n if only one item is shown. Fleder and Hosanagar (2009), "Blockbuster culture's next
    rise or fall" (for recommenders); the formula is that of Damgaard and Weiner (2000),
    "Describing inequality in plant size or fecundity".

    Args:
        exposures: Shape (items,), not negative; items never shown count with their 0.

    Returns:
        A number in [0, 1); NaN if nothing was shown.
    """
    assert exposures.ndim == 1 and exposures.size > 0, exposures.shape
    assert (exposures >= 0).all(), "exposures are counts"
    x = np.sort(exposures).astype(np.float64)
    n = len(x)
    if x[-1] == 0:
        return float("nan")
    x /= x[-1]
    # Not a dot product: BLAS rounds it differently for every number of threads.
    return max(0.0, float(((2 * np.arange(1, n + 1) - n - 1) * x).sum() / (n * x.sum())))


def mean_popularity(popularity: FloatArray, lists: IntArray) -> FloatArray:
    """Return the mean popularity of each list: GAP of one user in Abdollahpouri et al. (2020).

    Args:
        popularity: Popularity of each item, e.g. the share of users who rated it, shape (items,).
        lists: Shape (users, k).

    Returns:
        Shape (users,), in the unit of `popularity`; NaN for an empty list.
    """
    assert popularity.ndim == 1, f"popularity must have shape (items,), got {popularity.shape}"
    _check_lists(lists, len(popularity))
    present = lists >= 0
    total = np.where(present, popularity[lists], 0.0).sum(axis=1)
    m = present.sum(axis=1)
    return np.asarray(total / np.where(m > 0, m, np.nan))


def popularity_lift(shown: FloatArray, history: FloatArray) -> FloatArray:
    """Return how much more popular the items shown are than those of the user's own history.

    PL = (GAP_shown - GAP_history) / GAP_history: 0 if the items shown are as popular as those of
    the history, 1 if they are twice as popular. Abdollahpouri et al. (2020), "The connection
    between popularity bias, calibration, and fairness in recommendation", section 3.2. The value of
    the paper for a group is the lift of the group's means: pass them as arrays of length 1.

    Args:
        shown: `mean_popularity` of what each user was shown (or consumed), shape (users,).
        history: `mean_popularity` of each user's history before the simulation, shape (users,).

    Returns:
        Shape (users,), at least -1; NaN where either is NaN or the history's popularity is 0.
    """
    assert shown.ndim == 1 and shown.shape == history.shape, (shown.shape, history.shape)
    return (shown - history) / np.where(history > 0, history, np.nan)


def attribute_distribution(attributes: NDArray[Any], lists: IntArray) -> FloatArray:
    """Return the share of each attribute value in each list: p(g|u) of Steck (2018), equation 2.

    The weight 1 of an item is divided evenly among its values; items without values do not count.

    Args:
        attributes: Shape (items, values).
        lists: Shape (users, k).

    Returns:
        Shape (users, values); rows sum to 1, or are 0 if no item of the list has a value.
    """
    assert attributes.ndim == 2, f"attributes must have shape (items, values): {attributes.shape}"
    _check_lists(lists, len(attributes))
    values = attributes.sum(axis=1, keepdims=True)
    spread = attributes / np.where(values > 0, values, 1.0)
    mass = np.where((lists >= 0)[..., None], spread[lists], 0.0).sum(axis=1)
    total = mass.sum(axis=1, keepdims=True)
    return np.asarray(mass / np.where(total > 0, total, 1.0))


def taste_drift(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return the Jensen-Shannon divergence between present and initial consumption, in bits.

    JSD(p, q) = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2. Lin (1991), "Divergence measures
    based on the Shannon entropy". Comparing attribute distributions of two sets of a user's items
    is the calibration of Steck (2018), "Calibrated recommendations"; unlike its KL divergence, this
    one is bounded and needs no smoothing.

    Args:
        p: Attribute distribution of what is consumed now, shape (users, values). Rows are
            normalised here, so they may be counts.
        q: Attribute distribution of the initial history, shape (users, values).

    Returns:
        Shape (users,), in [0, 1]; NaN if a row is all 0.
    """
    from scipy.special import rel_entr  # takes half a second to import

    assert p.ndim == 2 and p.shape == q.shape, (p.shape, q.shape)
    assert (p >= 0).all() and (q >= 0).all(), "distributions are not negative"
    p, q = _normalised(p), _normalised(q)
    m = (p + q) / 2
    divergence: FloatArray = (rel_entr(p, m) + rel_entr(q, m)).sum(axis=1) / (2 * np.log(2))
    # `scipy.spatial.distance.jensenshannon`, the square root of this, is not used: rounding can
    # make the divergence of equal distributions negative, and its root NaN.
    return np.asarray(np.clip(divergence, 0.0, 1.0))


def _normalised(rows: FloatArray) -> FloatArray:
    total = rows.sum(axis=1, keepdims=True)
    return rows / np.where(total > 0, total, np.nan)


def _check_lists(lists: IntArray, n_items: int) -> None:
    assert lists.ndim == 2, f"lists must have shape (users, k), got {lists.shape}"
    assert ((lists >= -1) & (lists < n_items)).all(), "an item is not in the catalogue"
