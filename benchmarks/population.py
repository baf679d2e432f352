"""Measure memory per user and time per step with 100 to 10,000 users.

    python benchmarks/population.py [--users 100 1000 10000] [--json]

Each size runs in a fresh process: one round of the feed with the lexical policy, prompts recorded.
Memory is the growth of the peak resident set over a run with the smallest size, divided by the
users added; time is CPU seconds per user-step, from the first visit to the commit of the round.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from user_steps import Meter

from starec_sim import runner
from starec_sim.experiment import Experiment, PolicySpecs


def play(users: int) -> dict[str, float]:
    """Play one round with `users` users and return its steps, time, memory and store size."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(
            name="population",
            rounds=1,
            concurrency=64,
            runs_dir=Path(folder),
            data={"use": "synthetic", "users": users, "items": 1000},
            environment={"use": "feed", "recommender": "popularity", "activity": 1.0},
            policies=PolicySpecs(fast={"use": "lexical"}, slow={"use": "lexical"}),
        )
        meter = Meter()
        runner.run(experiment, meter)
        return {
            "users": users,
            "steps": meter.steps,
            "ms_per_step": 1000 * meter.seconds / meter.steps,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "store_bytes_per_step": (meter.folder / "run.sqlite").stat().st_size / meter.steps,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        json.dump(play(options.alone), sys.stdout)
        return
    rows = []
    for users in options.users:
        command = [sys.executable, __file__, "--alone", str(users)]
        rows.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
    for row in rows[1:]:
        row["kib_per_user"] = (
            1024 * (row["peak_mib"] - rows[0]["peak_mib"]) / (row["users"] - rows[0]["users"])
        )
        row["time_vs_smallest"] = row["ms_per_step"] / rows[0]["ms_per_step"]
    if options.json:
        json.dump(rows, sys.stdout)
        return
    for row in rows:
        print("  ".join(f"{key} {value:,.2f}" for key, value in row.items()))


if __name__ == "__main__":
    main()
