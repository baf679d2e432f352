"""A Ray cluster of two nodes on this machine plays a run, and a worker is killed in it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from starec_sim import runner
from starec_sim.errors import RunError
from starec_sim.experiment import Experiment

pytestmark = pytest.mark.slow
os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # Ray 2.60 asks for a token if the user has one
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'starec-sim[ray]'")

POLICY = f"{Path(__file__).with_name('signalling_policy.py')}:SignallingPolicy"


def node(*arguments):
    """Start a node; all its processes are in one session."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *arguments]
    options = ("--block", "--num-cpus=1", "--object-store-memory=100000000")
    environ = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    head = node("--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false")
    nodes = [head, node(f"--address={address}")]
    try:
        wait_for_nodes(address, 2)
        ray.shutdown()
        yield address
    finally:
        for each in nodes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()


def wait_for_nodes(address, count):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError, RuntimeError, ValueError):
            ray.init(address=address, logging_level="error", log_to_driver=False)
            if sum(each["Alive"] for each in ray.nodes()) == count:
                return
        ray.shutdown()
        time.sleep(0.5)
    pytest.fail(f"there are no {count} nodes at {address} after two minutes")


@pytest.mark.timeout(400)
def test_a_cluster_of_two_nodes_in_which_a_worker_is_killed_gives_the_same_digest(
    address, tmp_path
):
    policy = {"use": POLICY, "sent": str(tmp_path / "sent")}

    def experiment(policy, executor):
        return Experiment(
            name="test",
            rounds=2,
            runs_dir=tmp_path / "runs",
            data={"use": "synthetic", "users": 23, "items": 200},
            environment={"use": "feed", "recommender": "als", "page_size": 6},
            policies={"fast": policy, "slow": policy},
            executor=executor,
        )

    result = runner.run(experiment(policy, {"use": "ray", "address": address, "workers": 2}))
    assert (tmp_path / "sent").read_text() == "x", "a worker was killed"
    assert result.digest == runner.run(experiment({**policy, "times": 0}, "per_user")).digest


def test_an_address_without_a_cluster_is_named(tmp_path):
    experiment = Experiment(
        name="test",
        runs_dir=tmp_path,
        environment={"use": "shop"},
        executor={"use": "ray", "address": "127.0.0.1:1"},
    )
    with pytest.raises(RunError, match=r"127.0.0.1:1: there is no Ray cluster") as error:
        runner.run(experiment)
    assert "ray start --head" in error.value.hint
