"""Engagement in visits: one value per visit, whose mean (without NaN) is the metric.

All arrays have shape (visits,). NaN marks a visit without a value, e.g. the satisfaction
of a user who watched nothing. For counts that are summed over a user, a round or a run, the ratios
are pooled ratios.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from starec_sim.types import FloatArray, IntArray

USER_ENDINGS = ("left", "tired")
"""Values of `Feedback.ending` of visits that the user ended herself."""


def click_through(watched: IntArray, shown: IntArray) -> FloatArray:
    """Return the click-through rate: items watched / items shown.

    Args:
        watched: Items watched, shape (visits,).
        shown: Items shown, shape (visits,).

    Returns:
        Shape (visits,), in [0, 1]; NaN if nothing was shown.
    """
    assert watched.ndim == 1 and watched.shape == shown.shape, (watched.shape, shown.shape)
    assert (watched <= shown).all(), "there are more items watched than shown"
    return _ratio(watched, shown)


def watch_rate(watched: IntArray, shown: IntArray) -> FloatArray:
    """Return whether the user watched anything; the mean is the share of such visits.

    Args:
        watched: Items watched, shape (visits,).
        shown: Items shown, shape (visits,).

    Returns:
        Shape (visits,), each 0 or 1; NaN if nothing was shown.
    """
    assert watched.ndim == 1 and watched.shape == shown.shape, (watched.shape, shown.shape)
    return np.where(shown > 0, (watched > 0).astype(np.float64), np.nan)


def satisfaction(stars: FloatArray, watched: IntArray) -> FloatArray:
    """Return the mean true rating of the items watched (not the rating that the user expected).

    Args:
        stars: Sum of the true stars of the items watched, shape (visits,).
        watched: Items watched, shape (visits,).

    Returns:
        Shape (visits,), 0.0 to 5.0; NaN if nothing was watched.
    """
    assert stars.ndim == 1 and stars.shape == watched.shape, (stars.shape, watched.shape)
    return _ratio(stars, watched)


def exit_rate(endings: Sequence[str]) -> FloatArray:
    """Return whether the user ended the visit herself, before the last page.

    Args:
        endings: `Feedback.ending` of the last step of each visit; empty if the environment did not
            end the visit.

    Returns:
        Shape (visits,), each 0 or 1; NaN if there is no ending.
    """
    assert not isinstance(endings, str), "endings must be a sequence of strings, one for each visit"
    names = np.asarray(endings, dtype=np.str_)
    return np.where(names == "", np.nan, np.isin(names, USER_ENDINGS).astype(np.float64))


def _ratio(part: FloatArray | IntArray, whole: IntArray) -> FloatArray:
    return part / np.where(whole > 0, whole, np.nan)
