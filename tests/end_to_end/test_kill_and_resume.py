"""A run that is killed at any moment goes on to the same digest, and asks nothing twice."""

import json
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from starec_sim.cli import main
from tests.forked import fork, wait

pytestmark = pytest.mark.slow


def calls_made(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def kill_after(arguments: list[object], log: Path, calls: int) -> None:
    """Start a command and kill it, with no chance to clean up, once so many calls were answered."""

    def command():
        sys.argv = ["starec", *map(str, arguments)]
        main()

    child = fork(command)
    deadline = time.monotonic() + 60
    try:
        while len(calls_made(log)) < calls:
            ended, status = os.waitpid(child, os.WNOHANG)
            assert not ended, f"the command ended by itself, with {status}"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        os.kill(child, signal.SIGKILL)
        assert wait(child) == -signal.SIGKILL


@pytest.fixture
def result_of(starec):
    def result_of(*arguments):
        status, out, err = starec(*arguments, "--json")
        assert not status, err
        assert out.count("\n") == 1
        return json.loads(out)

    return result_of


def committed_turns(folder: Path) -> int:
    with sqlite3.connect(folder / "run.sqlite") as db:
        count = db.execute("SELECT COUNT(*) FROM turns").fetchone()[0]
    db.close()
    return count


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The digest and number of calls of the same experiment, left alone."""
    return {}


@pytest.mark.parametrize(
    "moments",
    [(1,), (20,), (45, 46, 75)],
    ids=lambda moments: "killed after " + ", ".join(map(str, moments)),
)
def test_a_killed_run_resumes_to_the_same_digest_and_repeats_no_committed_call(
    write_experiment, result_of, tmp_path, uninterrupted, moments
):
    path, log, runs = write_experiment(), tmp_path / "calls", tmp_path / "runs"
    if not uninterrupted:
        whole = result_of("run", path, "--set", f"runs_dir={tmp_path / 'whole'}")
        uninterrupted.update(digest=whole["digest"], calls=len(calls_made(log)))
        assert whole["status"] == "finished"
        assert uninterrupted["calls"] > max(moments)
        log.unlink()

    command = ["run", path]
    for number, moment in enumerate(moments):
        kill_after(command, log, moment)
        (folder,) = runs.iterdir()
        kept = committed_turns(folder) if (folder / "run.sqlite").exists() else 0
        assert kept <= len(calls_made(log))
        command = ["resume", folder, "--concurrency", 1 + 7 * number]
        listed = result_of("runs", "--runs-dir", runs)["runs"]
        assert [run["status"] for run in listed] == ["interrupted"]

    before = Counter(calls_made(log))
    resumed = result_of("resume", folder)
    assert resumed["digest"] == uninterrupted["digest"]
    assert resumed["status"] == "finished"

    # A call is answered again only if the kill came before its answer was committed.
    repeated = len(calls_made(log)) - uninterrupted["calls"]
    assert repeated <= sum(before.values()) - kept + 64 * (len(moments) - 1)
    assert committed_turns(folder) == uninterrupted["calls"]

    again = result_of("resume", folder)
    assert again["digest"] == resumed["digest"]
    assert len(calls_made(log)) == uninterrupted["calls"] + repeated


def test_no_committed_answer_is_asked_for_again(write_experiment, result_of, tmp_path):
    data = {"use": "synthetic", "users": 24, "items": 240}
    path, log = write_experiment(data=data, rounds=2, concurrency=4), tmp_path / "calls"
    kill_after(["run", path], log, 100)
    (folder,) = (tmp_path / "runs").iterdir()
    kept = committed_turns(folder)
    assert kept >= 64, "turns are committed while their round is still being played"
    asked_before = calls_made(log)
    result_of("resume", folder)
    asked_after = Counter(calls_made(log)[len(asked_before) :])
    assert sum(asked_after[seed] for seed in asked_before) == len(asked_before) - kept
