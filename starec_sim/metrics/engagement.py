"""Engagement in visits: one value per visit, whose mean (without NaN) is the metric.

All arrays have shape (visits,). NaN marks a visit without a value, e.g. the satisfaction
of a user who watched nothing. The ratios may as well be given counts that were summed
over a user, a round or a run; they are then the pooled ratios of those.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from starec_sim.types import FloatArray, IntArray

USER_ENDINGS = ("left", "tired")
"""Values of `Feedback.ending` with which the user herself ends a visit."""


def click_through(watched: IntArray, shown: IntArray) -> FloatArray:
    """Items watched over items shown (the click-through rate).

    Args:
        watched: Items watched, shape (visits,).
        shown: Items shown, shape (visits,).

    Returns:
        Shape (visits,), in [0, 1]; NaN where nothing was shown.
    """
    assert watched.ndim == 1 and watched.shape == shown.shape, (watched.shape, shown.shape)
    assert (watched <= shown).all(), "nobody watches what was not shown"
    return _ratio(watched, shown)


def watch_rate(watched: IntArray, shown: IntArray) -> FloatArray:
    """Whether the user watched anything at all; the mean is the share of visits in which she did.

    Args:
        watched: Items watched, shape (visits,).
        shown: Items shown, shape (visits,).

    Returns:
        Shape (visits,), each 0 or 1; NaN where nothing was shown.
    """
    assert watched.ndim == 1 and watched.shape == shown.shape, (watched.shape, shown.shape)
    return np.where(shown > 0, (watched > 0).astype(np.float64), np.nan)


def satisfaction(stars: FloatArray, watched: IntArray) -> FloatArray:
    """Mean true stars of the items watched: what they were, not what the user expected.

    Args:
        stars: Sum of the true stars of the items watched, shape (visits,).
        watched: Items watched, shape (visits,).

    Returns:
        Shape (visits,), 1.0 to 5.0; NaN where nothing was watched.
    """
    assert stars.ndim == 1 and stars.shape == watched.shape, (stars.shape, watched.shape)
    return _ratio(stars, watched)


def exit_rate(endings: Sequence[str]) -> FloatArray:
    """Whether the user ended the visit herself, before the recommender ran out of pages.

    Args:
        endings: `Feedback.ending` of the last step of each visit; empty where the visit was cut
            off by something else than the environment.

    Returns:
        Shape (visits,), each 0 or 1; NaN where there is no ending.
    """
    assert not isinstance(endings, str), "one ending for each visit"
    names = np.asarray(endings, dtype=np.str_)
    return np.where(names == "", np.nan, np.isin(names, USER_ENDINGS).astype(np.float64))


def _ratio(part: FloatArray | IntArray, whole: IntArray) -> FloatArray:
    return part / np.where(whole > 0, whole, np.nan)
