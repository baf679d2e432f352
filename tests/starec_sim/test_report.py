"""Reports of runs whose metrics are given here, so that they can be checked by hand."""

import json
import math

import numpy as np
import pytest

from starec_sim.errors import RunError
from starec_sim.glossary import METRICS, eventful, place
from starec_sim.metrics import Interval
from starec_sim.report import ArmDifference, summarise
from starec_sim.runs.store import Store

NAN = math.nan


@pytest.fixture
def write(tmp_path):
    """Write a run: (arm, seed) to rounds; a round is (metrics of visits by user, of the round)."""

    def write(trials):
        store = Store(tmp_path)
        db = store.db
        with store.transaction():
            for trial, ((arm, seed), rounds) in enumerate(trials.items()):
                db.execute("INSERT INTO trials VALUES (?, ?, ?, '{}', '')", (trial, arm, seed))
                users = sorted({user for visits, _ in rounds for user in visits})
                rows = {user: row for row, user in enumerate(users)}
                for user, row in rows.items():
                    db.execute("INSERT INTO users VALUES (?, ?, ?, '{}')", (trial, row, user))
                for number, (visits, figures) in enumerate(rounds):
                    db.execute("INSERT INTO rounds VALUES (?, ?, '')", (trial, number))
                    for user, values in visits.items():
                        db.execute(
                            "INSERT INTO visits VALUES (?, ?, ?, ?)",
                            (trial, number, rows[user], json.dumps(values)),
                        )
                    for name, value in figures.items():
                        db.execute(
                            "INSERT INTO metrics VALUES (?, ?, ?, ?)", (trial, number, name, value)
                        )
        store.close()
        return tmp_path

    return write


def clicks(**rounds_by_user):
    """Return a trial with a click-through for each user; None for no visit."""
    count = len(next(iter(rounds_by_user.values())))
    rounds = []
    for number in range(count):
        visits = {
            user: {"click_through": values[number]}
            for user, values in rounds_by_user.items()
            if values[number] is not None
        }
        known = [figures["click_through"] for figures in visits.values()]
        rounds.append((visits, {"click_through": sum(known) / len(known) if known else None}))
    return rounds


def mean(report, arm, name="click_through"):
    return report.metrics[arm][name].interval


class TestFigures:
    def test_a_user_counts_once_however_often_she_came(self, write):
        run = write({("main", 0): clicks(ann=[0.0, 0.0, 0.0], bob=[1.0, None, None])})
        found = summarise(run, None)
        assert mean(found, "main").mean == 0.5
        assert mean(found, "main").n == 2

    def test_the_series_is_over_visits(self, write):
        run = write({("main", 0): clicks(ann=[0.0, 0.2], bob=[1.0, None], eve=[0.5, 0.4])})
        figure = summarise(run, None).metrics["main"]["click_through"]
        assert figure.series == pytest.approx((0.5, 0.3))
        # Student's: t(2 degrees) = 4.303 and t(1) = 12.706, times the standard error.
        assert figure.halves == pytest.approx((4.303 * 0.5 / 3**0.5, 12.706 * 0.1), rel=1e-3)

    def test_only_the_last_rounds_count_when_that_is_said(self, write):
        run = write({("main", 0): clicks(ann=[0.0, 0.2, 0.4], bob=[0.0, 0.6, 0.8])})
        found = summarise(run, 2)
        assert mean(found, "main").mean == pytest.approx(0.5)
        assert (found.rounds, found.last_rounds) == (3, 2)
        assert len(found.metrics["main"]["click_through"].series) == 3

    def test_more_last_rounds_than_there_are_mean_all(self, write):
        found = summarise(write({("main", 0): clicks(ann=[0.2, 0.4])}), 99)
        assert (found.rounds, found.last_rounds) == (2, 2)
        assert mean(found, "main").mean == pytest.approx(0.3)

    def test_it_names_the_rounds_where_arms_or_seeds_have_played_other_numbers_of_them(self, write):
        three, one = clicks(ann=[0.2, 0.4, 0.3]), clicks(ann=[0.2])
        arms = summarise(write({("loop", 0): three, ("frozen", 0): one}), None)
        assert arms.window() == "round 1, which all arms have; loop has 3, frozen 1"

    def test_it_names_the_rounds_where_seeds_of_an_arm_differ(self, write):
        three, two = clicks(ann=[0.2, 0.4, 0.3]), clicks(ann=[0.2, 0.1])
        seeds = summarise(write({("main", 0): three, ("main", 1): two}), None)
        assert seeds.window() == "rounds 1 to 2, which all seeds have; main has 2 to 3"
        assert seeds._replace(last_rounds=1).window().startswith("round 2, which")

    def test_one_user_has_a_mean_and_no_interval(self, write):
        interval = mean(summarise(write({("main", 0): clicks(ann=[0.2])}), None), "main")
        assert (interval.mean, interval.n) == (0.2, 1)
        assert math.isnan(interval.low)

    def test_a_round_without_visitors_has_no_value(self, write):
        run = write({("main", 0): clicks(ann=[0.2, None, 0.4], bob=[0.4, None, 0.4])})
        found = summarise(run, None)
        series = found.metrics["main"]["click_through"].series
        assert series[0] == pytest.approx(0.3)
        assert math.isnan(series[1])
        assert mean(found, "main").mean == pytest.approx(0.35)

    def test_a_figure_of_rounds_has_an_interval_over_replicates_only(self, write):
        rounds = {0: [0.1, 0.3], 1: [0.3, 0.5], 2: [0.5, 0.7]}
        run = write(
            {("main", s): [({}, {"coverage": value}) for value in v] for s, v in rounds.items()}
        )
        interval = mean(summarise(run, None), "main", "coverage")
        # The trials' means are 0.2, 0.4 and 0.6: t(2 degrees) 4.303 * 0.2 / sqrt(3) = 0.497.
        assert interval.mean == pytest.approx(0.4)
        assert interval.high - interval.mean == pytest.approx(0.4968, rel=1e-3)
        assert interval.n == 3

    def test_the_interval_of_a_share_over_seeds_ends_at_0_and_1(self, write):
        run = write(
            {
                (arm, seed): [({}, {"coverage": value})]
                for arm, values in {"main": (0.0, 0.2, 0.1), "all": (1.0, 0.8, 0.9)}.items()
                for seed, value in enumerate(values)
            }
        )
        found = summarise(run, None)
        assert mean(found, "main", "coverage").low == 0.0
        assert mean(found, "all", "coverage").high == 1.0
        assert found.differences["all"]["coverage"].interval.high == 1.0

    def test_with_one_seed_a_figure_of_rounds_has_no_interval(self, write):
        run = write({("main", 0): [({}, {"coverage": 0.1}), ({}, {"coverage": 0.3})]})
        interval = mean(summarise(run, None), "main", "coverage")
        assert interval.mean == pytest.approx(0.2)
        assert math.isnan(interval.high)

    def test_a_user_of_several_seeds_is_still_one_user(self, write):
        trials = {("main", s): clicks(ann=[0.1 * s], bob=[0.3 * s]) for s in (1, 2)}
        interval = mean(summarise(write(trials), None), "main")
        assert interval.mean == pytest.approx((0.15 + 0.45) / 2)
        assert interval.n == 2

    def test_the_same_record_gives_the_same_report(self, write):
        rng = np.random.default_rng(0)
        users = {f"u{n}": rng.uniform(size=3).tolist() for n in range(20)}
        run = write({("a", 0): clicks(**users), ("b", 0): clicks(**users)})
        assert repr(summarise(run, None)) == repr(summarise(run, None))


class TestDifferences:
    def test_they_are_taken_user_by_user(self, write):
        # Users differ far more from each other than the arms do: pairing shows what means hide.
        loop = {f"u{n}": [n / 20] for n in range(20)}
        other = {user: [values[0] + 0.01] for user, values in loop.items()}
        found = summarise(write({("loop", 0): clicks(**loop), ("x", 0): clicks(**other)}), None)
        difference = found.differences["x"]["click_through"]
        assert difference.interval.mean == pytest.approx(0.01)
        assert difference.interval.high - difference.interval.low < 1e-9
        assert difference.sure
        assert difference.p < 0.001
        wide = mean(found, "x")
        assert wide.low < mean(found, "loop").high

    def test_a_worked_example(self, write):
        loop = clicks(a=[0.2], b=[0.4], c=[0.6], d=[0.8])
        frozen = clicks(a=[0.1], b=[0.3], c=[0.7], d=[0.3])
        found = summarise(write({("loop", 0): loop, ("frozen", 0): frozen}), None)
        difference = found.differences["frozen"]["click_through"]
        # -0.1, -0.1, +0.1 and -0.5 sum to -0.6. Of the 16 choices of signs those are as far from
        # zero that give 0.5 and the sum of the others one sign: 2 * (1 + 3).
        assert difference.interval.mean == pytest.approx(-0.15)
        assert difference.p == pytest.approx(8 / 16)
        assert difference.sure is False
        assert list(found.differences) == ["frozen"]

    def test_who_came_in_one_arm_only_is_left_out(self, write):
        loop = clicks(ann=[0.2], bob=[0.4], eve=[0.9])
        other = clicks(ann=[0.3], bob=[0.6], kim=[0.0])
        found = summarise(write({("loop", 0): loop, ("other", 0): other}), None)
        assert found.differences["other"]["click_through"].interval.mean == pytest.approx(0.15)
        assert found.differences["other"]["click_through"].interval.n == 2

    def test_figures_of_rounds_are_paired_by_seed(self, write):
        def rounds(value):
            return [({}, {"coverage": value})]

        run = write(
            {
                ("loop", 1): rounds(0.1),
                ("loop", 2): rounds(0.5),
                ("loop", 3): rounds(0.9),
                ("other", 1): rounds(0.2),
                ("other", 2): rounds(0.6),
                ("other", 3): rounds(1.0),
            }
        )
        difference = summarise(run, None).differences["other"]["coverage"]
        assert difference.interval.mean == pytest.approx(0.1)
        assert difference.interval.high - difference.interval.low < 1e-6
        assert (difference.sure, difference.p) == (True, None)

    def test_with_one_seed_nobody_can_be_sure_of_them(self, write):
        run = write({("a", 0): [({}, {"coverage": 0.1})], ("b", 0): [({}, {"coverage": 0.2})]})
        difference = summarise(run, None).differences["b"]["coverage"]
        assert difference.interval.mean == pytest.approx(0.1)
        assert difference.sure is None

    @pytest.mark.parametrize(
        ("low", "high", "sure"),
        [
            (0.1, 0.2, True),
            (-0.2, -0.1, True),
            (-0.1, 0.1, False),
            (0, 0.1, False),
            (NAN, NAN, None),
        ],
    )
    def test_sure_is_an_interval_without_zero(self, low, high, sure):
        assert ArmDifference(Interval(0.1, low, high, 5), None).sure is sure

    def test_arms_of_a_run_on_its_way_are_compared_over_the_same_rounds(self, write):
        loop = clicks(ann=[0.2, 0.9, 0.9], bob=[0.4, 0.9, 0.9])
        frozen = clicks(ann=[0.3], bob=[0.5])
        found = summarise(write({("loop", 0): loop, ("frozen", 0): frozen, ("late", 0): []}), None)
        assert found.rounds == 1
        assert mean(found, "loop").mean == pytest.approx(0.3)
        assert found.differences["frozen"]["click_through"].interval.mean == pytest.approx(0.1)
        assert len(found.metrics["loop"]["click_through"].series) == 3
        assert "late" not in found.metrics


TRIAL = {("main", 0): [({"ann": {"slow": 0.5}}, {"slow": 0.5, "gini": 0.1, "own": 3.0})]}


class TestSelection:
    def test_metrics_come_in_the_order_of_the_glossary_then_by_name(self, write):
        assert list(summarise(write(TRIAL), None).metrics["main"]) == ["gini", "slow", "own"]

    def test_wanted_metrics_come_as_they_were_wanted(self, write):
        found = summarise(write(TRIAL), None, ["own", "gini"])
        assert list(found.metrics["main"]) == ["own", "gini"]

    def test_a_wanted_metric_that_nobody_has_is_named(self, write):
        found = summarise(write(TRIAL), None, ["gini", "click_thru"])
        assert list(found.metrics["main"]) == ["gini"]
        assert found.unknown == ("click_thru",)

    def test_when_there_is_none_of_those_all_are_reported(self, write):
        assert len(summarise(write(TRIAL), None, ["click_thru"]).metrics["main"]) == 3

    def test_arms_may_have_different_metrics(self, write):
        run = write({("a", 0): [({}, {"gini": 0.1})], ("b", 0): [({}, {"own": 1.0, "gini": 0.2})]})
        found = summarise(run, None)
        assert found.names() == ["gini", "own"]
        assert list(found.differences["b"]) == ["gini"]

    def test_uneventful_metrics_are_kept_and_not_shown(self, write):
        rounds = [({}, {"slow": 0.0, "malformed": 0.0, "repaired": n / 10}) for n in range(2)]
        found = summarise(write({("main", 0): rounds}), None)
        assert "malformed" in found.metrics["main"]
        assert found.names() == ["slow", "repaired"]

    def test_every_metric_of_the_glossary_has_words(self):
        assert all(entry.label and entry.meaning for entry in METRICS.values())
        assert sorted(METRICS, key=place) == list(METRICS)
        assert eventful({}) == []


class TestJson:
    def test_it_is_json_and_null_is_what_has_no_value(self, write):
        run = write(
            {
                ("a", 0): clicks(ann=[0.2, None]),
                ("b", 0): clicks(ann=[0.3, None]),
            }
        )
        found = json.loads(json.dumps(summarise(run, None).as_json(), allow_nan=False))
        assert found["metrics"]["a"]["click_through"] == {
            "mean": 0.2,
            "low": None,
            "high": None,
            "n": 1,
        }
        assert found["differences"]["b"]["click_through"]["sure"] is None
        assert found["by_round"]["a"]["click_through"] == [0.2, None]
        assert (found["rounds"], found["last_rounds"]) == (2, 2)


class TestMissing:
    def test_a_run_without_a_round_has_no_figures(self, write):
        found = summarise(write({("main", 0): []}), 5, ["gini"])
        assert (found.metrics, found.differences, found.rounds) == ({}, {}, 0)
        assert found.unknown == ()

    def test_a_run_without_a_record_is_an_error(self, tmp_path):
        with pytest.raises(RunError, match="holds no record"):
            summarise(tmp_path, None)
