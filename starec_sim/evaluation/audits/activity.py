"""Activity: does it take, stay and rate as much as people do, and do users differ as much?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.people import (
    PeopleSessions,
    sessions_of_people,
    star_counts,
    stars_of_people,
)
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import (
    AuditMetric,
    AuditResult,
    Chart,
    over_users,
    resampled,
)
from starec_sim.tasks import FEED
from starec_sim.types import LIKED_ABOVE, FloatArray

PAGES, PAGE = 5, 8
"""Pages of a session, and items on a page."""
LOW = 2
"""Stars up to which a rating is low."""


class _Session(NamedTuple):
    """One session of a simulated user."""

    shown: int
    taken: int
    pages: int
    stars: FloatArray
    """Those she gave."""
    true_stars: FloatArray
    """Those she would truly give to the same items; empty where the truth is not known."""
    liked: float
    """Share of what was shown that she would truly like; NaN where the truth is not known."""


class Activity:
    """A session of up to five pages for each user, which she may leave after each page.

    The items are those that she never met, drawn with the chance that people meet them. Ratings are
    compared with those of the log, and in a generated world with those that she would truly give.
    """

    name = "activity"
    title = "Activity"
    asks = "Do simulated users take, stay, rate and differ from each other as people do?"
    references = (
        "Simulated users are hyper-active, alike, and too pleased: OmniBehavior (arXiv 2604.08362) "
        "calls it hyper-activity, homogeneity and utopian bias.",
        "Agent4Rec's published log of 1,000 agents: 3.2 pages in a session, 49 % of what is shown "
        "is taken, and not a single rating of one or two stars, where people on MovieLens 1M give "
        "16 % (computed on the logs; Zhang et al. 2024, arXiv 2310.10108).",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield a session for each user who has items left that she never met."""
        sessions = (self._session(panel, user) for user in range(len(panel)))
        return (session for session in sessions if session is not None)

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare sessions and ratings with those of the log."""
        played = [self._played(panel, answers, user) for user in range(len(panel))]
        sessions = [session for session in played if session is not None]
        if not sessions:
            why = "every user has met all items that anybody met"
            return AuditResult(
                self.name, self.title, self.asks, references=self.references, unmeasured=why
            )
        users = np.flatnonzero([session is not None for session in played])
        metrics = {**_clicks(sessions), **_lengths(sessions, sessions_of_people(panel, users))}
        given = np.stack([star_counts(session.stars) for session in sessions])
        if panel.holdout.dataset.world is None:
            source, people = "the same users' log", stars_of_people(panel)[users]
        else:
            source = "what they would truly give"
            people = np.stack([star_counts(session.true_stars) for session in sessions])
        metrics |= _ratings(given, people)
        chart = None
        if given.any():
            series = {"this policy": tuple((given.sum(axis=0) / given.sum()).tolist())}
            if people.any():
                shares = people.sum(axis=0) / people.sum()
                series[source] = tuple(shares.tolist())
            stars = tuple(f"{n} star{'s' * (n > 1)}" for n in range(1, 6))
            chart = Chart("bar", stars, "rating", "share", series)
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _session(panel: Panel, user: int) -> PanelQuestion | None:
        log = panel.holdout.user_logs[user]
        chance = panel.popularity.astype(np.float64)
        chance[log.items] = 0
        count = min(PAGES * PAGE, int((chance > 0).sum()))
        if not count:
            return None
        rng = panel.streams.stream("audit activity", user=log.row)
        items = rng.choice(len(chance), count, replace=False, p=chance / chance.sum())
        pages = -(-count // PAGE)
        return panel.question(user, items=tuple(items.tolist()), task=FEED, pages=pages)

    @classmethod
    def _played(cls, panel: Panel, answers: PanelAnswers, user: int) -> _Session | None:
        asked = cls._session(panel, user)
        if asked is None:
            return None
        answer = answers[asked]
        decisions = (answer.decision, *answer.later)
        actions = [action for decision in decisions for action in decision.actions]
        shown = np.array([action.item for action in actions], np.int64)
        rated = np.array([isinstance(action.value, float) for action in actions], bool)
        stars = np.array([each.value for each in actions if isinstance(each.value, float)])
        liked, true, world = float("nan"), np.zeros(0), panel.holdout.dataset.world
        if world is not None and len(shown):
            true = np.rint(world.ratings(int(panel.holdout.rows[user]), shown, 0))
            liked, true = float(np.mean(true > LIKED_ABOVE)), true[rated]
        taken = sum(action.done for action in actions)
        return _Session(len(shown), taken, len(decisions), stars.astype(np.float64), true, liked)


def _clicks(sessions: Sequence[_Session]) -> dict[str, AuditMetric]:
    """Return the share of the items shown that is taken."""
    taken = np.array([each.taken / each.shown if each.shown else np.nan for each in sessions])
    liked = np.array([each.liked for each in sessions])
    label = "share of the items shown that is taken"
    if np.isnan(liked).all():
        why = "the log does not say what was shown and not taken"
        return {"taken": AuditMetric(label, over_users(taken), not_comparable=why)}
    people = over_users(liked)
    return {
        "taken": AuditMetric(label, over_users(taken), people=people),
        "hyper-activity": AuditMetric(
            "share taken minus the share that she would truly like",
            over_users(taken - liked),
            people=people,
        ),
    }


def _lengths(sessions: Sequence[_Session], people: PeopleSessions) -> dict[str, AuditMetric]:
    """Return pages and items of a session."""
    taken = np.array([each.taken for each in sessions], np.float64)
    pages = AuditMetric(
        f"pages in a session, of {PAGES} at most",
        over_users(np.array([each.pages for each in sessions], np.float64)),
        not_comparable="the log has no pages",
    )
    label = "items taken in a session"
    if people.why_not:
        why = people.why_not
        return {
            "pages": pages,
            "session": AuditMetric(label, over_users(taken), not_comparable=why),
        }
    lengths = people.lengths
    return {
        "pages": pages,
        "session": AuditMetric(label, over_users(taken), people=over_users(lengths)),
        "session ratio": AuditMetric(
            "items taken in a session, over those of people",
            resampled(lambda who: float(taken[who].mean() / lengths[who].mean()), len(taken)),
            people=over_users(lengths),
        ),
    }


def _ratings(given: FloatArray, people: FloatArray) -> dict[str, AuditMetric]:
    """Return how the ratings differ from those of the log, and how users differ.

    Args:
        given: The histogram of stars of each simulated user, shape (users, 5).
        people: Those of the same people, from the log or from the truth.
    """
    if not given.any():
        return {}
    users, real = len(given), bool(people.any())

    def metric(label: str, statistic: _Statistic) -> AuditMetric:
        compared = resampled(lambda who: statistic(people[who]), users) if real else None
        why = "" if real else "the log has no ratings"
        own = resampled(lambda who: statistic(given[who]), users)
        return AuditMetric(label, own, people=compared, not_comparable=why)

    low = metric("share of one and two stars", _low)
    mean = metric("mean stars", _mean)
    spread = metric("spread of users' mean stars", _spread)
    metrics = {"low stars": low, "mean stars": mean, "spread": spread}
    if not real:
        return metrics
    metrics["low"] = AuditMetric(
        "share of one and two stars minus that of people",
        resampled(lambda who: _low(given[who]) - _low(people[who]), users),
        people=low.people,
    )
    metrics["utopian bias"] = AuditMetric(
        "mean stars minus those of people",
        resampled(lambda who: _mean(given[who]) - _mean(people[who]), users),
        people=mean.people,
    )
    if _spread(people) > 0:
        metrics["variety"] = AuditMetric(
            "spread of users' mean stars, over that of people",
            resampled(lambda who: _ratio(_spread(given[who]), _spread(people[who])), users),
            people=spread.people,
        )
    else:
        metrics["spread"] = replace(spread, not_comparable="these people do not differ")
    return metrics


_Statistic = Callable[[FloatArray], float]
"""Takes histograms of stars, one for each user."""
_STARS = np.arange(1, 6)


def _low(histograms: FloatArray) -> float:
    return _ratio(float(histograms[:, :LOW].sum()), float(histograms.sum()))


def _mean(histograms: FloatArray) -> float:
    return _ratio(float((histograms @ _STARS).sum()), float(histograms.sum()))


def _spread(histograms: FloatArray) -> float:
    """Return the standard deviation of users' mean stars, without what chance adds to it.

    The component between users of a one-way analysis of variance; users with one rating are left
    out.
    """
    counts = histograms.sum(axis=1)
    histograms, counts = histograms[counts > 1], counts[counts > 1]
    if len(counts) < 2:
        return float("nan")
    means = histograms @ _STARS / counts
    within = (histograms @ _STARS**2 - counts * means**2) / (counts - 1)
    return float(np.sqrt(max(0.0, means.var(ddof=1) - (within / counts).mean())))


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else float("nan")
