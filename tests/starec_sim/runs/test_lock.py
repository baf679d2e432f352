import subprocess
import sys

import pytest

from starec_sim.errors import RunError
from starec_sim.runs.lock import LOCK, locked
from starec_sim.runs.manifest import read_manifest

HOLD = """
import sys, time
from pathlib import Path
from starec_sim.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(make):
    """A run with the status "running", and the process that has locked it."""
    path = make("live", status="running")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_run_of_another_process_is_running_and_cannot_be_resumed(held):
    path, _ = held
    assert read_manifest(path).status == "running"
    with pytest.raises(RunError, match="is in progress in another process"), locked(path):
        pass


def test_a_run_whose_process_was_killed_is_interrupted_and_free(held):
    path, process = held
    process.kill()
    process.wait()
    assert read_manifest(path).status == "interrupted"
    with locked(path):
        pass


def test_looking_at_a_run_does_not_hold_it(make):
    path = make("a", status="running")
    for _ in range(3):
        assert read_manifest(path).status == "interrupted"
    with locked(path):
        pass


def test_a_finished_run_needs_no_lock(make):
    path = make("a")
    assert read_manifest(path).status == "finished"
    assert not (path / LOCK).exists()


def test_the_lock_is_let_go_after_an_error(make):
    path = make("a")
    with pytest.raises(ZeroDivisionError), locked(path):
        1 / 0  # noqa: B018
    with locked(path):
        pass
