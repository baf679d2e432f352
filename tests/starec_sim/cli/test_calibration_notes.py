"""What is said below the table of a calibration."""

import math

from starec_sim.cli.calibration_notes import calibration_notes
from starec_sim.metrics import Interval
from starec_sim.population.estimators import CalibratedMetric, SeedWithoutSpread

SURE, NONE = Interval(0.5, 0.4, 0.6, 9), Interval(0.5, math.nan, math.nan, 9)


def metric(bias=SURE, corrected=SURE, clipped=(), seeds=()):
    return CalibratedMetric(0.5, bias, corrected, 1.0, clipped, seeds)


def test_nothing_is_said_of_intervals_that_are_whole():
    equal = SeedWithoutSpread(3, 5, "equal")
    assert calibration_notes({"exits": metric(), "pages": metric(seeds=(equal,))}) == []


def test_what_was_clipped_is_named():
    clipped = ("bias.low", "corrected.mean", "corrected.high")
    assert calibration_notes({"exits": metric(clipped=clipped), "watch rate": metric()}) == [
        "* lay outside of the values that the metric can have, and was clipped to them: "
        "exits bias (lower end), corrected (estimate, upper end)"
    ]


def test_a_missing_interval_names_seeds_and_users_once_for_metrics_alike():
    seeds = tuple(SeedWithoutSpread(seed, 5, "equal") for seed in range(5))
    alone = (SeedWithoutSpread(0, 1, "one user"), SeedWithoutSpread(1, 0, "no user"))
    alike = metric(NONE, NONE, seeds=seeds)
    assert calibration_notes(
        {"exits": alike, "a": metric(NONE, NONE, seeds=alone), "b": alike}
    ) == [
        "No interval for exits, b: all differences are equal in seed 0 (5 users), seed 1 "
        "(5 users), seed 2 (5 users) and 2 more seeds. This does not say how much other users "
        "differ.",
        "No interval for a: one user has a value in seed 0 (1 user); no user has a value of both "
        "kinds in seed 1 (0 users). This does not say how much other users differ.",
    ]


def test_an_interval_that_rests_on_other_seeds_says_so():
    one = (SeedWithoutSpread(2, 1, "one user"),)
    assert calibration_notes({"pages": metric(seeds=one)}) == [
        "Interval of pages: one user has a value in seed 2 (1 user); how much users differ is "
        "taken from the other seeds."
    ]
    none = (SeedWithoutSpread(2, 0, "no user"),)
    assert calibration_notes({"pages": metric(seeds=none)}) == [
        "Without some seeds, pages: no user has a value of both kinds in seed 2 (0 users)."
    ]


def test_a_costly_kind_that_follows_exactly_is_told():
    assert calibration_notes({"pages": metric(SURE, NONE)}) == [
        "No corrected interval for pages: the costly kind follows the cheap one exactly in the "
        "users whom both played."
    ]
