"""The command line as a process of its own."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from starec_sim.cli import main
from tests.forked import fork, wait

pytestmark = pytest.mark.slow

STAREC = [sys.executable, "-m", "starec_sim"]
ONE_METRIC = ("--set", "report.metrics=[click_through]")


def process(*arguments, **options):
    return subprocess.run(
        [*STAREC, *arguments], capture_output=True, text=True, timeout=60, **options
    )


def test_a_run_says_its_result_on_stdout_and_everything_else_on_stderr(here):
    # A process draws its plot, so that it has one panel.
    done = process("run", "feed.yaml", *ONE_METRIC, "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "finished"
    assert {"run", "digest", "metrics", "differences", "plot"} <= set(answer)
    assert (here / answer["run"] / "plot.png").is_file()
    assert "main (seed 0) round 2/2: click-through" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_an_interrupted_run_says_how_to_go_on_and_goes_on(starec, here):
    long = ["run", "feed.yaml", "--set", "rounds=8", "--json"]
    running = subprocess.Popen(
        [*STAREC, *long],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore interrupts; this one must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    first = running.stderr.readline()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    answer = json.loads(out)
    assert answer["status"] == "paused"
    assert f"starec resume {answer['run']}" == answer["hint"]
    assert answer["hint"] in err
    assert "round 1/8" in first

    listed = starec("runs", "--json").answer["runs"]
    assert [run["status"] for run in listed] == ["paused"]
    resumed = starec("resume", "latest", "--json")
    assert "round 1/8" not in resumed.err
    assert resumed.answer["digest"] == starec(*long).answer["digest"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_run_in_progress_is_shown_and_cannot_be_resumed_twice(starec, here, monkeypatch):
    def shown():
        return starec("show", "latest", "--json").answer

    monkeypatch.setattr(sys, "argv", ["starec", "run", "feed.yaml", "--set", "rounds=1000"])
    running, deadline = fork(main), time.monotonic() + 60
    try:
        while not (trials := shown().get("trials")) or trials[0]["rounds"] < 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(running, signal.SIGSTOP)  # it need not go on to be in progress
        second = starec("resume", "latest", "--json")
        assert second.status == 2
        assert "is in progress in another process" in second.answer["error"]
        assert shown()["status"] == "running"
    finally:
        os.kill(running, signal.SIGKILL)
        wait(running)
    assert shown()["status"] == "interrupted"


def show_on(stdout, monkeypatch, *arguments):
    """Run `starec show` in this process with another stdout, and return its status."""
    monkeypatch.setattr(sys, "argv", ["starec", "show", *map(str, arguments)])
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_a_reader_of_a_pipe_who_leaves_is_named_on_one_line(finished, monkeypatch, capsys):
    error = "error: stdout was closed before everything was written\n"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        # In a process of its own nothing more is said when Python closes stdout at its end.
        done = subprocess.run(
            [*STAREC, "show", str(finished["feed"])],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (2, error)
        status = show_on(gone, monkeypatch, finished["feed"], "--user", "u1", "--json")
        assert (status, capsys.readouterr().err) == (2, error)


def test_a_terminal_that_lacks_characters_gets_others(finished, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert show_on(terminal, monkeypatch, finished["feed"]) == 0
    terminal.flush()
    assert b"click-through" in terminal.buffer.getvalue()
