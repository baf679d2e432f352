"""Visits in worker processes: the same digest, whatever is killed, and nothing is left behind."""

import json
import os
from pathlib import Path

import pytest
import yaml

from starec_sim import runner
from starec_sim.errors import PausedError
from starec_sim.experiment import Experiment, read_experiment
from tests.chat_endpoint import completion, endpoint

pytestmark = pytest.mark.slow
__all__ = ["endpoint"]

POLICY = f"{Path(__file__).with_name('signalling_policy.py')}:SignallingPolicy"
TWO = {"use": "processes", "workers": 2}


def children() -> set[str]:
    """Return the ids of the processes that this one has started and that still run."""
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {child for file in listed for child in file.read_text().split()}


def shared() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("starec-*")}


@pytest.fixture
def experiment(tmp_path):
    """Return an experiment of 23 users, which no number of shards divides."""

    def experiment(policy, **changes):
        values = {
            "name": "test",
            "rounds": 2,
            "runs_dir": tmp_path / "runs",
            "data": {"use": "synthetic", "users": 23, "items": 200},
            "environment": {"use": "feed", "recommender": "als", "page_size": 6},
            "policies": {"fast": policy, "slow": policy},
        }
        return Experiment(**values | changes)

    return experiment


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    processes, files = children(), shared()
    yield
    assert children() == processes
    assert shared() == files


def test_a_worker_that_is_killed_is_replaced_and_the_digest_is_that_of_one_process(
    experiment, tmp_path
):
    sent = tmp_path / "sent"
    alone = runner.run(experiment({"use": POLICY, "sent": str(sent), "times": 0}))
    result = runner.run(experiment({"use": POLICY, "sent": str(sent)}, executor=TWO))
    assert sent.read_text() == "x", "a worker was killed"
    assert result.digest == alone.digest
    assert result.ledger.total("calls") == alone.ledger.total("calls")


def test_a_shard_that_loses_two_workers_pauses_the_run_and_a_resume_plays_on(
    experiment, tmp_path, starec
):
    policy = {"use": POLICY, "sent": str(tmp_path / "sent"), "at": 1, "times": 3}
    with pytest.raises(
        PausedError, match=r"was killed by SIGKILL in round 1, while it played"
    ) as e:
        runner.run(experiment(policy, executor=TWO, rounds=1))
    assert e.value.reason == "worker"
    (folder,) = (tmp_path / "runs").iterdir()
    status, out, err = starec("resume", folder, "--json")
    assert not status, err
    alone = runner.run(experiment({**policy, "times": 0}, rounds=1))
    assert json.loads(out)["digest"] == alone.digest


def test_a_policy_that_costs_is_asked_in_the_parent_which_holds_the_budget(
    experiment, tmp_path, endpoint
):
    endpoint.replies(lambda body: {"json": completion("<ranking>\nB\nA\n</ranking>")})
    policy = {"use": "openai", "model": "tiny", "base_url": endpoint.url}
    limited = experiment(policy, executor=TWO, rounds=1, budget={"calls": 20}, concurrency=4)
    with pytest.raises(PausedError, match="calls 20 of 20"):
        runner.run(limited)
    assert len(endpoint.bodies) == 20
    (folder,) = (tmp_path / "runs").iterdir()
    result = runner.resume(folder, budget={"calls": None})
    asked = len(endpoint.bodies)
    alone = runner.run(experiment(policy, rounds=1))
    assert result.digest == alone.digest
    assert asked == len(endpoint.bodies) - asked, "no question was asked twice"


@pytest.mark.parametrize("executor", ["per_user", "processes"])
def test_sigterm_pauses_a_run_at_a_committed_point_and_says_how_to_resume(
    experiment, tmp_path, starec, executor
):
    in_worker = executor == "processes"
    policy = {"use": POLICY, "sent": str(tmp_path / "sent"), "signal": "SIGTERM"}
    values = experiment({**policy, "to_parent": in_worker}, executor=executor, concurrency=4)
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(values.model_dump(mode="json")))
    status, _, err = starec("run", path)
    (folder,) = (tmp_path / "runs").iterdir()
    assert status == 3
    assert "stopped by SIGTERM" in err
    assert f"starec resume {folder}" in err
    status, out, err = starec("resume", folder, "--json")
    assert not status, err
    unsent = [f"policies.{node}.times=0" for node in ("fast", "slow")]
    alone = runner.run(read_experiment(path, unsent))
    assert json.loads(out)["digest"] == alone.digest
