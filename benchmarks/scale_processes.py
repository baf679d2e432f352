"""Measure how much faster worker processes play a run than one process does.

    python benchmarks/scale_processes.py [--users N] [--rounds N] [--workers N] [--json]

Plays the same feed with the lexical policy with `executor: per_user` and with `processes`, in turn,
and compares the wall time of rounds, record included, from the first visit to the last commit. The
machine should do nothing else: the ratio is that of wall times. Also measured: the start of the
workers, and the bytes that go through their pipes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from starec_sim import runner
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment, PolicySpecs
from starec_sim.types import Visit
from starec_sim.workers import processes

REPEATS = 3


class Clock(RunEvents):
    """Measures the start of a run, and its rounds."""

    def __init__(self) -> None:
        self.steps = 0
        self.began = time.perf_counter()
        self.start_s = self.rounds_s = self.rounds_cpu_s = 0.0
        self._first = self._cpu = 0.0

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        self._first, self._cpu = time.perf_counter(), time.process_time()
        self.start_s = self._first - self.began

    def visit_finished(self, visit: Visit) -> None:
        self.steps += len(visit.steps)

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        self.rounds_s = time.perf_counter() - self._first
        self.rounds_cpu_s = time.process_time() - self._cpu


def measure(executor: Mapping[str, object], users: int, rounds: int) -> dict[str, object]:
    """Play one run."""
    sent: list[processes.ProcessConnection] = []
    started = processes.ProcessConnection.__init__

    def noted(connection: processes.ProcessConnection, process: object) -> None:
        started(connection, process)  # type: ignore[arg-type]
        sent.append(connection)

    processes.ProcessConnection.__init__ = noted  # type: ignore[assignment, method-assign]
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(
            name="bench",
            rounds=rounds,
            runs_dir=Path(folder),
            data={"use": "synthetic", "users": users, "items": 1000},
            environment={"use": "feed", "recommender": "als", "page_size": 10},
            policies=PolicySpecs(fast={"use": "lexical"}, slow={"use": "lexical"}),
            executor=executor,
        )
        clock, workers = Clock(), resource.getrusage(resource.RUSAGE_CHILDREN)
        result = runner.run(experiment, clock)
    processes.ProcessConnection.__init__ = started  # type: ignore[method-assign]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "digest": result.digest,
        "steps": clock.steps,
        "start_s": clock.start_s,
        "rounds_s": clock.rounds_s,
        "steps_per_s": clock.steps / clock.rounds_s,
        "parent_cpu_s_in_rounds": clock.rounds_cpu_s,
        "workers_cpu_s": after.ru_utime + after.ru_stime - workers.ru_utime - workers.ru_stime,
        "bytes_to_workers_per_step": sum(each.sent_bytes for each in sent) / clock.steps,
        "bytes_from_workers_per_step": sum(each.received_bytes for each in sent) / clock.steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    executors = {
        "per_user": {"use": "per_user"},
        f"{options.workers} processes": {"use": "processes", "workers": options.workers},
    }
    measure(executors["per_user"], 20, 1)  # imports
    runs: dict[str, list[dict[str, object]]] = {name: [] for name in executors}
    for _ in range(options.repeats):
        for name, executor in executors.items():
            runs[name].append(measure(executor, options.users, options.rounds))
    digests = {run["digest"] for each in runs.values() for run in each}
    assert len(digests) == 1, "all executors give one digest"
    one, several = runs.values()
    pairs = zip(one, several, strict=True)
    ratios = [float(a["rounds_s"]) / float(b["rounds_s"]) for a, b in pairs]  # type: ignore[arg-type]
    load = os.getloadavg()[0]
    if options.json:
        json.dump({"runs": runs, "ratios": ratios, "load": load}, sys.stdout)
        return
    for name, each in runs.items():
        print(name)
        for key in each[0]:
            if key != "digest":
                print(f"  {key:<30}{statistics.median(float(run[key]) for run in each):>12,.2f}")  # type: ignore[arg-type]
    print(f"rounds, {', '.join(f'{ratio:.2f}' for ratio in ratios)} times as fast; load {load:.1f}")


if __name__ == "__main__":
    main()
