"""Measure user-steps per CPU second, store included, and compare with CAMEL-OASIS.

    python benchmarks/user_steps.py [--oasis PYTHON] [--json]

Plays the feed (pages of 10) and the ranking (20 candidates) with the lexical policy, records
everything, and divides the steps by the CPU seconds of the process from the first visit to the last
commit. With `--oasis`, the same run also measures CAMEL-OASIS's platform without any model
(`benchmarks/oasis_platform.py`), in the environment of that Python, and prints the ratio:

    python -m venv .venv-oasis
    .venv-oasis/bin/pip install camel-oasis "mcp<2" torch==2.13.0
    python benchmarks/user_steps.py --oasis .venv-oasis/bin/python
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from starec_sim import runner
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment, PolicySpecs
from starec_sim.types import Visit

REPEATS = 5
WORLDS = {
    "feed": {"use": "feed", "recommender": "als", "page_size": 10},
    "ranking": {"use": "ranking", "candidates": 20, "choices": 6},
}


class Meter(RunEvents):
    """Counts steps and CPU seconds between the first visit and the last commit."""

    def __init__(self) -> None:
        self.steps = 0
        self.seconds = 0.0
        self._mark = 0.0

    def run_started(self, folder: Path, experiment: Experiment | None) -> None:
        self.folder = folder

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        self._mark = time.process_time()

    def visit_finished(self, visit: Visit) -> None:
        self.steps += len(visit.steps)

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        now = time.process_time()
        self.seconds += now - self._mark
        self._mark = now


def measure(world: str, users: int, rounds: int) -> dict[str, float]:
    """Play one run and return steps per CPU second and bytes of record per step."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(
            name=f"bench-{world}",
            rounds=rounds,
            concurrency=16,
            runs_dir=Path(folder),
            data={"use": "synthetic", "users": users, "items": 1000},
            environment=WORLDS[world],
            policies=PolicySpecs(fast={"use": "lexical"}, slow={"use": "lexical"}),
        )
        meter = Meter()
        runner.run(experiment, meter)
        size = (meter.folder / "run.sqlite").stat().st_size
        return {
            "steps": meter.steps,
            "rate": meter.steps / meter.seconds,
            "bytes": size / meter.steps,
        }


def oasis(python: str) -> float:
    """Return the platform actions per second of CAMEL-OASIS, run by the given Python."""
    command = [
        str(Path(python).absolute()),
        str(Path(__file__).resolve().with_name("oasis_platform.py")),
    ]
    with tempfile.TemporaryDirectory() as folder:  # its import writes a folder of logs
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("actions per"))
    return float(line.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oasis", metavar="PYTHON", help="the Python that has camel-oasis")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    for world in WORLDS:
        runs = [measure(world, users=300, rounds=4) for _ in range(REPEATS)]
        rates = [run["rate"] for run in runs]
        results[world] = {
            "steps_per_cpu_s": statistics.median(rates),
            "slowest": min(rates),
            "fastest": max(rates),
            "store_bytes_per_step": runs[0]["bytes"],
        }
    if options.oasis:
        rate = oasis(options.oasis)
        results["oasis platform, no model"] = {"actions_per_cpu_s": rate}
        for world in WORLDS:
            results[world]["times_oasis"] = results[world]["steps_per_cpu_s"] / rate
    if options.json:
        json.dump(results, sys.stdout)
        return
    for name, figures in results.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:<22}{value:>10,.1f}")


if __name__ == "__main__":
    main()
