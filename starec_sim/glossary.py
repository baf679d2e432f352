"""Labels, meanings and ranges of the metrics, for reports and plots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf, isnan
from typing import Literal, NamedTuple

from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.types import STAR_RANGE


class MetricInfo(NamedTuple):
    """Label, meaning and range of a metric."""

    label: str
    meaning: str
    better: Literal["higher", "lower", ""] = ""
    """The direction that is better; empty where it depends on the research question."""
    bounds: tuple[float, float] = (0.0, 1.0)
    """The least and the greatest value that the metric can have."""

    @property
    def difference_bounds(self) -> tuple[float, float]:
        """The least and the greatest difference of two values of the metric."""
        least, greatest = self.bounds
        return least - greatest, greatest - least


METRICS: Mapping[str, MetricInfo] = {
    "click_through": MetricInfo(
        "click-through", "items watched or acted on / items shown", "higher"
    ),
    "watch_rate": MetricInfo("watch rate", "share of visits with a click-through", "higher"),
    "satisfaction": MetricInfo(
        "satisfaction", "true stars (0-5) of what was watched", "higher", STAR_RANGE
    ),
    "exits": MetricInfo(
        "exits", "share of visits the user ended herself: she left, or was tired", "lower"
    ),
    "pages": MetricInfo("pages", "pages seen in a visit", "", (0, inf)),
    "diversity": MetricInfo("diversity", "mean distance between items shown in a visit (0-1)"),
    "coverage": MetricInfo("coverage", "share of the catalogue shown to anybody in a round"),
    "gini": MetricInfo("concentration", "Gini of exposure (0 all items equal, 1 one item)"),
    "popularity_lift": MetricInfo(
        "popularity lift", "popularity of what is shown, against her history", "", (-1, inf)
    ),
    "taste_drift": MetricInfo(
        "taste drift", "distance of what is watched from her first likes (bits)", "", (0, inf)
    ),
    "visitors": MetricInfo("visitors", "share of all users who came in a round"),
    "reward": MetricInfo("reward", "mean reward of answers in training", "higher", (-inf, inf)),
    **{
        f"ndcg@{k}": MetricInfo(
            f"NDCG@{k}", f"gain of the true choice among the first {k}", "higher"
        )
        for k in (1, 5, 10, 20)
    },
    **{
        f"hit@{k}": MetricInfo(f"hit@{k}", f"share of true choices among the first {k}", "higher")
        for k in (1, 5, 10)
    },
    "mrr": MetricInfo("MRR", "one over the rank of the true choice", "higher"),
    "slow": MetricInfo("slow thinking", "share of steps in which the slow node is asked"),
    "slow_malformed": MetricInfo(
        "unread thoughts", "share of slow thoughts that could not be read", "lower"
    ),
    "malformed": MetricInfo(
        "malformed", "share of answers with a flaw, even after repair, or that never came", "lower"
    ),
    "repaired": MetricInfo("repaired", "share of answers that needed a repair call", "lower"),
    "skipped": MetricInfo("skipped", "share of visits left out because a plug-in failed", "lower"),
}

OF_ACTIONS = ("rate:", "mean:", "sum:")
"""What the names of the metrics begin with that own actions and rewards of an environment give."""

UNREAD = ("malformed", "slow_malformed")
"""Metrics of answers that could not be read: any other value than zero is a sign of an error."""
_HIDDEN_WHEN_ZERO = (*UNREAD, "repaired")
"""Metrics that reports leave out while all of their values are zero."""


def metric_info(name: str) -> MetricInfo:
    """Return label, meaning and range of a metric; the label of an unknown one is its name."""
    known = METRICS.get(name)
    if known is not None:
        return known
    prefix, _, rest = name.partition(":")
    said = rest.replace("_", " ")
    of_actions = {
        "rate": MetricInfo(f"{said} rate", f'items with the action "{said}" / items shown'),
        "mean": MetricInfo(f"{said} mean", f'mean amount of the action "{said}"', "", (0, inf)),
        "sum": MetricInfo(f"{said} a visit", f'sum of the reward "{said}"', "", (-inf, inf)),
    }
    return of_actions.get(prefix if rest else "", MetricInfo(name, "", "", (-inf, inf)))


def metric_name(printed: str) -> str:
    """Return the name of a metric, given its name or the label that is printed for it.

    >>> metric_name("concentration"), metric_name("NDCG@10"), metric_name("own")
    ('gini', 'ndcg@10', 'own')
    """
    labels = {info.label.casefold(): name for name, info in METRICS.items()}
    return printed if printed in METRICS else labels.get(printed.casefold(), printed)


def check_metric_names(names: Iterable[str], own: Collection[str]) -> None:
    """Check that there are metrics of these names in a report.

    Args:
        names: What is to be reported.
        own: The metrics that the environments name.

    Raises:
        ConfigError: One is not there.
    """
    for name in names:
        if name not in METRICS and name not in own and not name.startswith(OF_ACTIONS):
            known = [*METRICS, *own, *(info.label for info in METRICS.values())]
            raise ConfigError(
                f'report.metrics: there is no metric "{name}"; {did_you_mean(name, known)}',
                hint="`starec show RUN --explain` says what the metrics of a run mean; an "
                "environment names those of its own in `own_metrics`",
            )


def place(name: str) -> tuple[int, str]:
    """Return the sort key of a metric: the order of `METRICS`, then by name.

    >>> sorted(["gini", "own", "click_through"], key=place)
    ['click_through', 'gini', 'own']
    """
    known = list(METRICS)
    return (known.index(name) if name in METRICS else len(known), name)


def eventful(series: Mapping[str, list[float]]) -> list[str]:
    """Return the metrics that reports show: those that have a value in some round.

    Args:
        series: The values of each metric over the rounds; NaN where there is none.

    >>> eventful({"slow": [0.0], "malformed": [0.0, 0.0], "repaired": [0.0, 0.1]})
    ['slow', 'repaired']
    """
    return [
        name
        for name, values in series.items()
        if not all(map(isnan, values)) and (name not in _HIDDEN_WHEN_ZERO or any(values))
    ]


def verdict_word(verdict: str, better: str) -> str:
    """Return the word that is printed: `better` or `worse` where one direction is better.

    >>> verdict_word("lower", better="higher"), verdict_word("lower", better="")
    ('worse', 'lower')
    """
    if not better or verdict not in ("higher", "lower"):
        return verdict
    return "better" if verdict == better else "worse"
