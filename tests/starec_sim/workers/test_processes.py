"""Visits in worker processes: the same digest, whatever is killed, and nothing is left behind."""

import asyncio
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml

from starec_sim import runner
from starec_sim.experiment import Experiment, read_experiment
from starec_sim.workers.pool import WorkerPool
from starec_sim.workers.processes import Processes
from tests.chat_endpoint import endpoint
from tests.forked import fork, wait

pytestmark = pytest.mark.slow
__all__ = ["endpoint"]

POLICY = f"{Path(__file__).with_name('signalling_policy.py')}:SignallingPolicy"
ONE = {"use": "processes", "workers": 1}


def children() -> set[str]:
    """Return the ids of the processes that this one has started and that still run."""
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {child for file in listed for child in file.read_text().split()}


def shared() -> set[str]:
    """Return the folders of shared memory of this process and of ended ones, not of other runs."""
    names = {path.name for path in Path("/dev/shm").glob("starec-*")}
    here = str(os.getpid())
    owners = {name: name.split("-")[2] for name in names}
    return {n for n, pid in owners.items() if pid == here or not Path(f"/proc/{pid}").exists()}


@pytest.fixture
def experiment(tmp_path):
    """Return an experiment of 23 users, which no number of shards divides."""

    def experiment(policy, slow=None, **changes):
        values = {
            "name": "test",
            "rounds": 2,
            "runs_dir": tmp_path / "runs",
            "data": {"use": "synthetic", "users": 23, "items": 100},
            "environment": {"use": "feed", "recommender": "als", "page_size": 6},
            "policies": {"fast": policy, "slow": slow or policy},
        }
        return Experiment(**values | changes)

    return experiment


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    processes, files = children(), shared()
    yield
    assert children() == processes
    assert shared() == files


def test_a_killed_worker_is_replaced_and_nothing_is_asked_twice(experiment, tmp_path, endpoint):
    """The fast policy answers in the workers, the slow one is an endpoint, asked in the parent."""
    slow = {"use": "openai", "model": "tiny", "base_url": endpoint.url}
    fast = {"use": POLICY, "sent": str(tmp_path / "sent")}
    result = runner.run(experiment(fast, slow, executor=ONE))
    asked = len(endpoint.bodies)
    assert (tmp_path / "sent").read_text() == "x", "a worker was killed"
    alone = runner.run(experiment({**fast, "times": 0}, slow))
    assert result.digest == alone.digest
    assert 0 < asked == len(endpoint.bodies) - asked


def test_sigterm_ends_visits_in_progress_and_the_run_is_resumed(experiment, tmp_path, starec):
    policy = {"use": POLICY, "sent": str(tmp_path / "sent"), "signal": "SIGTERM"}
    path = tmp_path / "experiment.yaml"
    resumed = []
    for executor in ("per_user", ONE):
        to_parent = {"to_parent": executor != "per_user"}
        values = experiment({**policy, **to_parent}, executor=executor, concurrency=4)
        path.write_text(yaml.safe_dump(values.model_dump(mode="json")))
        status, _, err = starec("run", path)
        (folder,) = (tmp_path / "runs").iterdir()
        assert status == 3
        assert "stopped by SIGTERM" in err
        assert f"starec resume {folder}" in err
        # Workers of a resumed run are in `test_rounds_in_workers.py`.
        status, out, err = starec("resume", folder, "--json", "--executor", "per_user")
        assert not status, err
        resumed.append(json.loads(out)["digest"])
        shutil.rmtree(tmp_path / "runs")
        (tmp_path / "sent").unlink()
    unsent = [f"policies.{node}.times=0" for node in ("fast", "slow")]
    alone = runner.run(read_experiment(path, [*unsent, "executor.use=per_user"]))
    assert resumed == [alone.digest] * 2


def test_no_worker_and_no_file_outlives_a_parent_that_is_killed(experiment, tmp_path):
    policy = {"use": POLICY, "sent": str(tmp_path / "sent"), "to_parent": True}
    values = experiment(policy, executor=ONE)
    parent = fork(lambda: runner.run(values))
    assert wait(parent) == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while shared() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not shared(), "the last worker removes the shared state, then it ends"


@pytest.mark.timeout(60)
def test_ending_workers_that_do_not_answer_is_cancelled_and_all_are_ended():
    before = children()

    async def end():
        transport = Processes(2)
        transport.share({})
        pool = WorkerPool(transport, None)
        pool._connections.update({each: await transport.start(each) for each in range(2)})
        for process in children() - before:
            os.kill(int(process), signal.SIGSTOP)
        ending = asyncio.create_task(pool.close())
        await asyncio.sleep(0.2)
        ending.cancel()
        await asyncio.wait([ending])
        return ending.cancelled(), children()

    assert asyncio.run(end()) == (True, before)
