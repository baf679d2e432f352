"""A run that is killed at any moment goes on to the same digest, and asks nothing twice."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

STAREC = [sys.executable, "-m", "starec_sim"]


def calls_made(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def kill_after(command: list[str], log: Path, calls: int) -> None:
    """Start a command and kill it, with no chance to clean up, once so many calls were answered."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    try:
        while len(calls_made(log)) < calls:
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL


def result_of(command: list[str]) -> dict:
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


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
    [(1,), (40,), (90, 150), (130, 131, 210)],
    ids=lambda moments: "killed after " + ", ".join(map(str, moments)),
)
def test_a_killed_run_resumes_to_the_same_digest_and_repeats_no_committed_call(
    write_experiment, tmp_path, uninterrupted, moments
):
    path, log, runs = write_experiment(), tmp_path / "calls", tmp_path / "runs"
    if not uninterrupted:
        whole = result_of([*STAREC, "run", str(path), "--set", f"runs_dir={tmp_path / 'whole'}"])
        uninterrupted.update(digest=whole["digest"], calls=len(calls_made(log)))
        assert whole["status"] == "finished"
        assert uninterrupted["calls"] > max(moments)
        log.unlink()

    command = [*STAREC, "run", str(path)]
    for number, moment in enumerate(moments):
        kill_after(command, log, moment)
        (folder,) = runs.iterdir()
        kept = committed_turns(folder) if (folder / "run.sqlite").exists() else 0
        assert kept <= len(calls_made(log))
        command = [*STAREC, "resume", str(folder), "--concurrency", str(1 + 7 * number)]
        listed = result_of([*STAREC, "runs", "--runs-dir", str(runs)])["runs"]
        assert [run["status"] for run in listed] == ["interrupted"]

    before = Counter(calls_made(log))
    resumed = result_of([*STAREC, "resume", str(folder)])
    assert resumed["digest"] == uninterrupted["digest"]
    assert resumed["status"] == "finished"

    # A call is answered again only if the kill came before its answer was committed.
    repeated = len(calls_made(log)) - uninterrupted["calls"]
    assert repeated <= sum(before.values()) - kept + 64 * (len(moments) - 1)
    assert committed_turns(folder) == uninterrupted["calls"]

    again = result_of([*STAREC, "resume", str(folder)])
    assert again["digest"] == resumed["digest"]
    assert len(calls_made(log)) == uninterrupted["calls"] + repeated


def test_no_committed_answer_is_asked_for_again(write_experiment, tmp_path):
    path, log = write_experiment(concurrency=4), tmp_path / "calls"
    kill_after([*STAREC, "run", str(path)], log, 100)
    (folder,) = (tmp_path / "runs").iterdir()
    kept = committed_turns(folder)
    assert kept >= 64, "turns are committed while their round is still being played"
    asked_before = calls_made(log)
    result_of([*STAREC, "resume", str(folder)])
    asked_after = Counter(calls_made(log)[len(asked_before) :])
    assert sum(asked_after[seed] for seed in asked_before) == len(asked_before) - kept
