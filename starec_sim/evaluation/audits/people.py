"""What the people of a log did: their stars, and their sessions where the log has such."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.types import FloatArray, IntArray

GAP_S = 1800
"""Seconds without an interaction that end a session, as web analytics count them."""
LEAST_IN_A_SESSION = 1.5
"""Interactions in a session on average; with fewer, times are of single acts, such as reviews."""
_SECONDS = (10**8, 10**11)
"""Times between these numbers can be seconds since 1970 (up to the year 5138)."""
_CLOCK = 60
"""Seconds. Times that are mostly multiples of it are minutes, hours or days."""


class PeopleSessions(NamedTuple):
    """Interactions in a session of each user, or why they cannot be counted."""

    lengths: FloatArray
    """The mean over her sessions, shape (users,); empty if they cannot be counted."""
    why_not: str


def stars_of_people(panel: Panel) -> FloatArray:
    """Return how often each user of a panel gave one to five stars, shape (users, 5)."""
    # Not from `user_logs`, where a choice without a rating has the stars of a like.
    log = panel.holdout.dataset.log
    return np.stack([star_counts(log.ratings[log.users == row]) for row in panel.holdout.rows])


def star_counts(stars: FloatArray) -> FloatArray:
    """Return how often one to five stars are given; half a star counts as one, NaN not at all."""
    whole = np.rint(stars[~np.isnan(stars)]).clip(1, 5).astype(np.int64)
    return np.bincount(whole - 1, minlength=5).astype(np.float64)


def sessions_of_people(panel: Panel, users: IntArray) -> PeopleSessions:
    """Count the interactions in the sessions of some users of a panel, by their places.

    A session ends where nothing happens for 30 minutes. That is meaningful only if times are
    seconds that tell minutes apart, and if people come back and do several things at a time.
    """
    holdout = panel.holdout
    log, none = holdout.dataset.log, np.zeros(0)
    if not len(log.times) or not _SECONDS[0] <= log.times.min() <= log.times.max() < _SECONDS[1]:
        return PeopleSessions(none, "the times of the log are not seconds since 1970")
    if (log.times % _CLOCK == 0).mean() > 0.5:
        return PeopleSessions(none, "the times of the log do not tell seconds apart")
    if panel.holdout.dataset.world is not None:
        return PeopleSessions(none, "the generated log has one choice at a time")
    order = np.lexsort((log.times, log.users))
    people, times = log.users[order], log.times[order]
    new = np.ones(len(people), bool)
    new[1:] = (people[1:] != people[:-1]) | (np.diff(times) > GAP_S)
    count = len(holdout.dataset.users)
    sessions, interactions = (np.bincount(rows, minlength=count) for rows in (people[new], people))
    present = sessions[interactions > 0]
    if np.median(present) < 2:
        once = f"{np.mean(present == 1):.0%}"
        return PeopleSessions(
            none, f"{once} of the people in the log did everything in a single sitting"
        )
    if len(people) / sessions.sum() < LEAST_IN_A_SESSION:
        return PeopleSessions(none, "the people in the log mostly did one thing at a time")
    rows = holdout.rows[users]
    return PeopleSessions(interactions[rows] / sessions[rows], "")
