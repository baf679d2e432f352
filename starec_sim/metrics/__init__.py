"""Metrics as pure functions of arrays, with formulas and sources in the docstrings."""

from starec_sim.metrics.diversity import (
    attribute_distribution,
    coverage,
    gini,
    intra_list_diversity,
    mean_popularity,
    popularity_lift,
    taste_drift,
)
from starec_sim.metrics.engagement import click_through, exit_rate, satisfaction, watch_rate
from starec_sim.metrics.ranking import hit_rate, ndcg, reciprocal_rank
from starec_sim.metrics.statistics import (
    Interval,
    PairedDifference,
    bootstrap_interval,
    differences,
    lopsided,
    paired_difference,
    paired_interval,
    permutation_test,
    student_interval,
)

__all__ = [
    "Interval",
    "PairedDifference",
    "attribute_distribution",
    "bootstrap_interval",
    "click_through",
    "coverage",
    "differences",
    "exit_rate",
    "gini",
    "hit_rate",
    "intra_list_diversity",
    "lopsided",
    "mean_popularity",
    "ndcg",
    "paired_difference",
    "paired_interval",
    "permutation_test",
    "popularity_lift",
    "reciprocal_rank",
    "satisfaction",
    "student_interval",
    "taste_drift",
    "watch_rate",
]
