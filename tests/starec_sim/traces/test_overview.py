import json
import os
import shutil
import sqlite3
import warnings
from contextlib import closing
from itertools import pairwise

import pytest

from starec_sim import stored_summary
from starec_sim.errors import DataWarning
from starec_sim.glossary import metric_info
from starec_sim.report import summarise
from starec_sim.runs.folder import SUMMARY
from starec_sim.runs.reader import RecordedTrial, reading
from starec_sim.runs.run_tables import read_run
from starec_sim.traces.overview import read_overview
from starec_sim.traces.people import PeopleQuery, read_people
from starec_sim.traces.played_rounds import played_rounds
from starec_sim.traces.population import read_population
from starec_sim.traces.run_list import read_run_row
from starec_sim.traces.values import as_json
from tests.starec_sim.runs.conftest import a_manifest
from tests.starec_sim.traces.conftest import play


def test_an_overview_has_the_figures_of_the_report_and_of_the_steps(feed, reader):
    found, report = read_overview(feed, reader), summarise(feed, None)
    for total in found.totals:
        interval = report.metrics[total.arm][total.metric].interval
        assert (total.mean, total.low, total.high) == pytest.approx(
            tuple(interval)[:3], nan_ok=True
        ) or total.low is None
    steps = list(read_run(feed).steps())
    for funnel in found.funnel:
        of_arm = [step for step in steps if step.arm == funnel.arm]
        assert funnel.shown == sum(len(step.slate) for step in of_arm)
        assert funnel.chosen == sum(len(step.watched) for step in of_arm)
        assert funnel.liked == sum(r > 3 for step in of_arm for r in step.ratings.values())
        assert funnel.left == sum(step.ending == "left" for step in of_arm)
    for share in found.slow_share:
        of_arm = [step for step in steps if step.arm == share.arm]
        for round, value in enumerate(share.rounds):
            slow = [step.slow for step in of_arm if step.round == round]
            assert value == sum(slow) / len(slow)
    assert sum(calls.calls for calls in found.calls) == len(list(read_run(feed).turns()))
    assert found.run.rounds_done == found.run.rounds == 6 and found.run.trials == 2
    assert found.run.arms == ("loop", "random") and not found.live
    json.dumps(as_json(found), allow_nan=False)


def test_intervals_of_rounds_stay_within_the_range_of_their_metric(feed, reader):
    found = read_overview(feed, reader)
    report = summarise(feed, None)
    beyond = 0
    for series in found.metrics:
        least, greatest = metric_info(series.metric).bounds
        summary = report.metrics[series.arm][series.metric]
        pairs = zip(summary.series, summary.halves, strict=True)
        beyond += sum(mean + half > greatest or mean - half < least for mean, half in pairs)
        known = [each for each in series.rounds if each.low is not None]
        assert all(least <= each.low <= each.high <= greatest for each in known)
    assert beyond > 0  # some were cut


def test_the_funnel_of_rankings_counts_first_items(ranking):
    with reading(ranking) as reader:
        (funnel,) = read_overview(ranking, reader).funnel
    steps = list(read_run(ranking).steps())
    assert funnel.chosen == len(steps)
    assert funnel.liked == sum(s.ratings.get(s.ranking[0], 0) > 3 for s in steps)


@pytest.fixture
def copied(feed, tmp_path):
    return shutil.copytree(feed, tmp_path / "copy")


def test_a_summary_is_computed_once_and_read_after_that(copied, monkeypatch):
    first = stored_summary.run_summary(copied, None)
    monkeypatch.setattr(stored_summary, "summarise", None)
    assert repr(stored_summary.run_summary(copied, None)) == repr(first)


@pytest.mark.parametrize("damage", ["", "[]", "{", "\x00", "[[1, [], null, [], null], {}]"])
def test_a_damaged_summary_is_computed_again(copied, damage):
    right = stored_summary.run_summary(copied, None)
    (copied / SUMMARY).write_text(damage)
    assert repr(stored_summary.run_summary(copied, None)) == repr(right)


def test_a_summary_without_a_value_that_was_added_later_is_computed_again(copied):
    right = stored_summary.run_summary(copied, None)
    found = json.loads((copied / SUMMARY).read_text())
    found[0][0] = 1
    del found[1][0][5:]  # the report, as the first format had it
    (copied / SUMMARY).write_text(json.dumps(found, separators=(",", ":")))
    assert stored_summary.run_summary(copied, None).report.played == right.report.played != ()


def test_a_summary_of_other_rounds_or_metrics_is_not_taken(copied):
    path = copied / SUMMARY
    right = stored_summary.run_summary(copied, None)
    text = path.read_text()
    other = text.replace('[[3,[[0,2,"', '[[3,[[0,1,"')
    assert other != text
    path.write_text(other)
    assert repr(stored_summary.run_summary(copied, None)) == repr(right)
    assert list(stored_summary.run_summary(copied, None, ["exits"]).report.names()) == ["exits"]


def test_a_record_that_was_changed_after_its_summary_is_reported_as_it_is_with_a_word(copied):
    kept = stored_summary.run_summary(copied, None).report
    with closing(sqlite3.connect(copied / "run.sqlite")) as db, db:
        db.execute("UPDATE metrics SET value = 2 * value")
    with pytest.warns(DataWarning, match="was changed after its rounds were played"):
        now = stored_summary.run_summary(copied, None).report
    assert repr(now) == repr(summarise(copied, None)) != repr(kept)
    with pytest.warns(DataWarning):  # also the next time
        stored_summary.run_summary(copied, None)


def test_a_record_that_was_only_copied_is_reported_without_a_word(copied):
    kept = stored_summary.run_summary(copied, None)
    os.utime(copied / "run.sqlite", (1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert repr(stored_summary.run_summary(copied, None)) == repr(kept)


def test_a_population_adds_up(feed, reader):
    trial = reader.trial("loop", None)
    found = read_population(reader, trial)
    steps = [step for step in read_run(feed).steps() if step.arm == "loop"]
    visitors = {step.user for step in steps}
    for trait in found.traits:
        assert sum(value.users for value in trait.values) == len(visitors)
    assert [left.visits for left in found.left] == [
        sum(step.ending == "left" for step in steps if step.round == round) for round in range(3)
    ]
    assert sum(left.visits for left in found.left) > sum(left.last for left in found.left) > 0
    for left in found.left:  # as many as the link to them finds
        asked = PeopleQuery(where=(("left_round", str(left.round)),))
        assert read_people(reader, trial, asked).total == left.last
    recorded = {
        (metric.arm, metric.metric): metric.value
        for metric in read_run(feed).metrics()
        if metric.round == 2
    }
    for curve in found.lorenz:
        assert curve.gini == pytest.approx(recorded[curve.arm, "gini"])
        assert curve.shares[0] == 0 and curve.shares[-1] == pytest.approx(1)
        slopes = [b - a for a, b in pairwise(curve.shares)]
        assert all(b >= a - 1e-9 for a, b in pairwise(slopes))
    for drift in found.drift:
        assert drift.rounds[2] == recorded[drift.arm, "taste_drift"]


def test_rounds_of_arms_that_have_not_begun_are_wanted_too():
    manifest = a_manifest(status="running", arms=["a", "b", "c"], seeds=[3, 4])
    begun = [RecordedTrial(0, "a", 3, {}, 10), RecordedTrial(1, "a", 4, {}, 1)]
    assert played_rounds(manifest, {"rounds": 10}, begun) == (11, 60, 6)
    assert played_rounds(a_manifest(kind="training"), {"rounds": 10}, begun) == (11, None, 2)


@pytest.mark.parametrize("last_rounds", [None, 1])
def test_the_list_of_runs_has_the_figures_of_the_page_of_the_run(tmp_path, last_rounds):
    run = play(
        tmp_path,
        name="feed",
        rounds=2,
        environment={"use": "feed", "recommender": "popularity", "page_size": 5, "pages": 1},
        report={"last_rounds": last_rounds},
        arms={"loop": {}, "random": {"environment.recommender": "random"}},
        replicates=2,
    )
    row = read_run_row(run)
    with reading(run) as reader:
        found = read_overview(run, reader)
    totals = {
        metric_info(total.metric).label: total.mean for total in found.totals if total.arm == "loop"
    }
    assert row.headline_arm == "loop" and row.headline
    assert row.rounds_done == row.rounds == found.run.rounds_done == found.run.rounds == 8
    for headline in row.headline:
        assert headline.value == pytest.approx(totals[headline.metric])
