"""Measure how much slower a run is while a page of `starec view` shows it.

    python benchmarks/viewer_slowdown.py [--users 200] [--rounds 30] [--pairs 9] [--json]

Runs with and without a viewer alternate. Each run is a process of its own. The viewer is a server
in another process, with one page open: it waits for events of the run and, at each of them, asks
for the page of the run, as a browser does. Users choose by the lexical policy and everything is
recorded, so a round takes a second or less; with a model the same pages are spread over minutes.

Of a run, CPU and wall seconds count from the first visit to the last commit; the figures are
medians, and the slow-down is the median of that of each pair. On a busy machine wall seconds say
little, and CPU seconds of equal runs differ by 10 %, so that 3 % need many pairs. The first load
of the page imports what the server needs, once; a page loads again when that takes 3 % of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from user_steps import WORLDS, Meter

from starec_sim import runner
from starec_sim.experiment import Experiment, PolicySpecs

LIMIT = 0.03
WAIT_S = 0.5
"""Between two looks at the list of runs, until the run has begun."""
HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine, whatever proxy is set."""


class Page:
    """An open page: its events, and how often it was loaded again.

    Args:
        address: Of the server.
    """

    def __init__(self, address: str) -> None:
        self.loads = 0
        self._address = address
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        name = ""
        while not name:
            if self._closed.wait(WAIT_S):
                return
            running = (run for run in self._get("api/runs") if run["status"] == "running")
            name = next((run["name"] for run in running), "")
        with HERE.open(f"{self._address}api/events?run={name}") as events:
            for line in events:
                if self._closed.is_set():
                    return
                if line.startswith(b"data:"):
                    self._get(f"api/runs/{name}")
                    self.loads += 1

    def _get(self, path: str) -> Any:
        with HERE.open(self._address + path) as answer:
            return json.load(answer)

    def close(self) -> None:
        """Load no more; it ends when the server does."""
        self._closed.set()


@contextmanager
def viewing(runs: Path) -> Iterator[tuple[Page, subprocess.Popen[str]]]:
    """Serve a folder of runs, with one page open; the folder has to hold a run."""
    words = ["view", str(runs), "--no-browser", "--port", "0"]
    command = [sys.executable, "-u", "-m", "starec_sim", *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    page = Page(server.stdout.readline().strip())
    try:
        yield page, server
    finally:
        page.close()
        server.terminate()
        server.wait()


def cpu_seconds(process: int) -> float:
    """Return the CPU seconds of a process so far; NaN where there is no /proc."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Clock(Meter):
    """Counts wall seconds between the first visit and the last commit as well."""

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        super().trial_started(arm, seed, rounds, done)
        self._began = time.perf_counter()

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        super().round_finished(round, metrics)
        self.wall = time.perf_counter() - self._began


def play(runs: Path, users: int, rounds: int) -> None:
    """Play a run in this process, and print its seconds."""
    meter = Clock()
    runner.run(
        Experiment(
            name="shown",
            rounds=rounds,
            data={"use": "synthetic", "users": users, "items": 600},
            environment=WORLDS["feed"],
            policies=PolicySpecs(fast="lexical", slow="lexical"),
            runs_dir=runs,
        ),
        events=meter,
    )
    print(json.dumps({"cpu": meter.seconds, "wall": meter.wall}))


def played(runs: Path, users: int, rounds: int) -> dict[str, float]:
    """Play a run in a process of its own, and return its seconds."""
    words = ["--play", str(runs), "--users", str(users), "--rounds", str(rounds)]
    done = subprocess.run(
        [sys.executable, __file__, *words], stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


def measure(users: int, rounds: int, pairs: int) -> dict[str, float]:
    """Return the medians of runs with and without a viewer, and what the viewer adds."""
    alone, shown, server_cpu, loads = [], [], [], []
    for pair in range(pairs):
        for viewed in (False, True) if pair % 2 else (True, False):
            with tempfile.TemporaryDirectory() as place:
                played(Path(place), users=5, rounds=1)
                if not viewed:
                    alone.append(played(Path(place), users, rounds))
                    continue
                with viewing(Path(place)) as (page, server):
                    before = cpu_seconds(server.pid)
                    shown.append(played(Path(place), users, rounds))
                    server_cpu.append(cpu_seconds(server.pid) - before)
                    loads.append(page.loads)
                    assert page.loads, "the page never loaded: nothing was measured"
    found = {}
    for what in ("cpu", "wall"):
        a, b = ([each[what] for each in side] for side in (alone, shown))
        found[f"{what} seconds alone"] = statistics.median(a)
        found[f"{what} seconds shown"] = statistics.median(b)
        slower = [with_ / without - 1 for without, with_ in zip(a, b, strict=True)]
        found[f"{what} slow-down"] = statistics.median(slower)
    found["cpu seconds of the server"] = statistics.median(server_cpu)
    found["loads of the page"] = statistics.median(loads)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        play(options.play, options.users, options.rounds)
        return
    found = measure(options.users, options.rounds, options.pairs)
    if options.json:
        json.dump(found, sys.stdout)
        return
    for name, value in found.items():
        limit = f"   of {LIMIT:g}" if name.endswith("slow-down") else ""
        print(f"{name:<28}{value:>10.3f}{limit}")


if __name__ == "__main__":
    main()
