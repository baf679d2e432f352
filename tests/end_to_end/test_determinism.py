"""The same experiment and seed give the same digest, however they are executed."""

import pytest

from starec_sim import experiment, runner

pytestmark = pytest.mark.slow

FEED = {"use": "feed", "recommender": "bpr", "page_size": 6}
RANKING = {"use": "ranking", "choices": 4}
SMALL = {"data": {"use": "synthetic", "users": 8, "items": 120}, "rounds": 2}


@pytest.mark.parametrize("environment", [FEED, RANKING], ids=["feed", "ranking"])
def test_the_digest_does_not_depend_on_how_many_visits_are_in_flight(
    write_experiment, quiet, environment
):
    path = write_experiment(environment, **SMALL)
    digests = {
        runner.run(experiment.read_experiment(path, [f"concurrency={count}"]), quiet).digest
        for count in (1, 8)  # one visit at a time, and all users at once
    }
    assert len(digests) == 1


def test_another_seed_gives_another_digest(write_experiment, quiet):
    path = write_experiment(**SMALL)
    first, second = (
        runner.run(experiment.read_experiment(path, [f"seed={seed}", "rounds=1"]), quiet).digest
        for seed in (1, 2)
    )
    assert first != second


def test_a_trial_depends_on_its_settings_and_seed_and_not_on_the_trials_before_it(
    write_experiment, quiet
):
    random = {"environment.recommender": "random"}
    arms = {"one": {}, "random": random, "same": {"environment.refit_every": 1}}
    report = runner.run(
        experiment.read_experiment(write_experiment(**SMALL, arms=arms)), quiet
    ).report
    # An arm that changes nothing changes no figure: arms share users and seeds.
    assert repr(report.metrics["one"]) == repr(report.metrics["same"])
    assert all(d.interval.mean == 0 for d in report.differences["same"].values())
    alone = runner.run(
        experiment.read_experiment(write_experiment(**SMALL, arms={"random": random})), quiet
    ).report
    assert repr(alone.metrics["random"]) == repr(report.metrics["random"])
