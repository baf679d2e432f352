"""Measure time and memory of a run against the number of its users, and resume the largest.

    python benchmarks/scale_population.py [--users 1000 10000 100000] [--rounds 10] [--kill]
        [--nano 0.01] [--gate never] [--workers 2] [--cohort 1024] [--beside 1000]
        [--plot docs/pictures/scale.png] [--json]

Analytic users of a generated world (2,000 items) visit a feed with a popularity recommender, two
pages of ten items at most, in cohorts, with `record: decisions`. Each size is a run in a process of
its own, from start of Python to report. `--kill` plays each size a second time: that
process kills itself (SIGKILL) in the middle of a round, another one resumes the run, and the script
fails unless the digests are equal. Give the sizes for which that is not too long. `--nano` is the
share of users whom the policy `nano` plays; with `--gate never` they never think slowly. With
`--workers` a round is played by that many processes. `--beside 1000` plays a run of 1,000 users
after each round, in a process of its own, and gives its mean `beside_us`: on a machine that does
other things too, only the two compare.

After several sizes, least squares over their rounds say how the peak of the memory grows: so much
in any case, for each user, and for each visit of the rounds so far. `starec estimate` plans with
these figures:

    python benchmarks/scale_population.py --users 1000 5000 20000 --rounds 5

`cpu_us` is CPU time from the first visit to the last commit, for a visit. It and the peak memory
are those of the process that writes the record: with `--workers`, read `wall_s`; `worker_mib` is
the peak of the largest worker.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from starec_sim import runner
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment
from starec_sim.types import Visit

ITEMS = 2_000
BESIDE_ROUNDS = 3
FEED = {
    "use": "feed",
    "recommender": "popularity",
    "page_size": 10,
    "pages": 2,
    "min_interactions": 1,
}


class Meter(RunEvents):
    """Counts visits, steps and CPU seconds of rounds; kills the process in a round if asked to.

    Args:
        kill_in: The round in the middle of whose visits the process is killed; None for none.
        beside: Users of the run that is played after each round; 0 for none.
    """

    def __init__(self, kill_in: int | None, beside: int = 0) -> None:
        self.visits = self.steps = 0
        self.beside_us: list[float] = []
        self.peaks: list[tuple[int, float]] = []
        """Visits so far and the peak of the memory in MiB, after each round."""
        self._beside = beside
        self.cpu_s = 0.0
        self._kill_in = kill_in
        self._kill_at = -1
        self._mark = time.process_time()

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        self._mark = time.process_time()

    def round_started(self, round: int, visitors: int) -> None:
        if round == self._kill_in:
            self._kill_at = self.visits + visitors // 2

    def visit_finished(self, visit: Visit) -> None:
        self.visits += 1
        self.steps += len(visit.steps)
        if self.visits == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        now = time.process_time()
        seconds, self._mark = now - self._mark, now
        self.cpu_s += seconds
        self.peaks.append((self.visits, peak_mib()))
        print(f"round {round + 1}: {seconds:.1f} s of CPU", file=sys.stderr, flush=True)
        if self._beside:
            with tempfile.TemporaryDirectory() as folder:
                row = in_process(self._beside, Setting(BESIDE_ROUNDS), folder)
            self.beside_us.append(row["cpu_us"])
            self._mark = time.process_time()


class Setting(NamedTuple):
    """What is the same for all sizes."""

    rounds: int
    nano: float = 0.0
    """The share of users whom `nano` plays."""
    gate: str = "surprise"
    """When these users think slowly."""
    workers: int = 0
    """Processes that play the visits; 0 for the process that writes the record."""
    cohort: int = 1024

    def experiment(self, users: int, folder: Path) -> Experiment:
        analytic = {"use": "analytic", "worth": "known"}
        played: dict[str, Any] = {"agent": analytic}
        if self.nano:
            star = {"use": "star", "gate": {"when": self.gate}}
            played = {
                "population": {
                    "analytic": {"share": 1 - self.nano, "agent": analytic},
                    "nano": {"share": self.nano, "agent": star},
                },
                "policies": {"fast": "nano", "slow": "nano"},
            }
        executor: dict[str, Any] = {"use": "cohort", "size": self.cohort}
        if self.workers:
            executor |= {"use": "processes", "workers": self.workers, "inside": "cohort"}
        return Experiment.model_validate(
            {
                "name": "population",
                "rounds": self.rounds,
                "runs_dir": str(folder),
                "data": {"use": "synthetic", "users": users, "items": ITEMS},
                "environment": FEED,
                **played,
                "executor": executor,
                "record": "decisions",
            }
        )


def peak_mib(who: int = resource.RUSAGE_SELF) -> float:
    """Return the peak of the resident memory of this process, or of its largest child."""
    return resource.getrusage(who).ru_maxrss / 1024


def growth(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return how the peak grows, by least squares: base, KiB for each user, KiB for each visit."""
    points = [(row["users"], *peak) for row in rows for peak in row["peaks"]]
    users, visits, peaks = np.array(points).T
    factors = np.column_stack([np.ones(len(peaks)), users / 1024, visits / 1024])
    base, of_user, of_visit = np.linalg.lstsq(factors, peaks)[0].tolist()
    return {"base_mib": base, "kib_a_user": of_user, "kib_a_visit": of_visit}


def play(
    users: int, setting: Setting, folder: Path, kill_in: int | None, beside: int
) -> dict[str, Any]:
    """Play a run in this process, or resume the one in the folder; return what it took."""
    begun = time.monotonic()
    meter = Meter(kill_in, beside)
    started = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    if started:
        result = runner.resume(started[0], meter)
    else:
        result = runner.run(setting.experiment(users, folder), meter)
    size = sum(file.stat().st_size for file in result.folder.iterdir() if file.is_file())
    return {
        "users": users,
        "digest": result.digest,
        "visits": meter.visits,
        "steps": meter.steps,
        "cpu_us": 1e6 * meter.cpu_s / max(1, meter.visits),
        **({"beside_us": statistics.mean(meter.beside_us)} if meter.beside_us else {}),
        "steps_per_cpu_s": meter.steps / meter.cpu_s if meter.cpu_s else 0.0,
        "all_cpu_s": time.process_time(),
        "wall_s": time.monotonic() - begun,
        "peak_mib": peak_mib(),
        "peaks": meter.peaks,
        **({"worker_mib": peak_mib(resource.RUSAGE_CHILDREN)} if setting.workers else {}),
        "record_mib": size / 2**20,
    }


def in_process(
    users: int, setting: Setting, folder: str, kill_in: int | None = None, beside: int = 0
) -> dict[str, Any]:
    """Play a run in a new process, as `play` does; return nothing of one that killed itself."""
    command = [sys.executable, __file__, "--alone", str(users), "--folder", folder]
    for name, value in {**setting._asdict(), "kill_in": kill_in, "beside": beside}.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if kill_in is not None and done.returncode == -signal.SIGKILL:
        return {}
    done.check_returncode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(users: int, setting: Setting, beside: int, *, kill: bool) -> dict[str, Any]:
    """Play a run of this size; with `kill` a second time, killed in its middle and resumed.

    Raises:
        SystemExit: The digest of the resumed run differs.
    """
    with tempfile.TemporaryDirectory() as folder:
        row = in_process(users, setting, folder, beside=beside)
    if kill:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            in_process(users, setting, folder, kill_in=setting.rounds // 2)
            row["resumed_digest"] = in_process(users, setting, folder)["digest"]
            row["killed_and_resumed_wall_s"] = time.monotonic() - begun
        if row["resumed_digest"] != row["digest"]:
            raise SystemExit(f"{users} users: the digest after a kill and a resume differs")
    return row


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Plot CPU time of a visit and peak memory against the number of users."""
    from starec_sim.plot_style import new_figure, plot_style, save_figure

    users = [row["users"] for row in rows]
    with plot_style():
        figure = new_figure(7.0, 2.6)
        time_axes, memory_axes = figure.subplots(1, 2)
        beside = all("beside_us" in row for row in rows)
        times = [row["cpu_us"] / (row["beside_us"] if beside else 1.0) for row in rows]
        time_axes.plot(users, times, marker="o")
        title, unit = "CPU time of a visit", "microseconds"
        if beside:
            title, unit = "CPU time of a visit, relative", "that of the small run is 1"
        time_axes.set(title=title, xlabel="users", ylabel=unit)
        time_axes.set(xscale="log", ylim=(0, 1.1 * max(times)))
        memory_axes.plot([count / 1000 for count in users], [row["peak_mib"] for row in rows])
        memory_axes.lines[0].set_marker("o")
        memory_axes.set(title="Peak memory", xlabel="thousand users", ylabel="MiB", ylim=0)
        save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kill", action="store_true", help="also kill and resume each size")
    parser.add_argument("--nano", type=float, default=0.0, help="share of users played by nano")
    parser.add_argument("--gate", choices=("surprise", "never"), default="surprise")
    parser.add_argument("--workers", type=int, default=0, help="processes that play visits")
    parser.add_argument("--cohort", type=int, default=1024, help="users of a cohort")
    parser.add_argument("--beside", type=int, default=0, help="users of a run after each round")
    parser.add_argument("--plot", type=Path, help="a .png file")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kill-in", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    setting = Setting(**{name: getattr(options, name) for name in Setting._fields})
    if options.alone:
        json.dump(
            play(options.alone, setting, options.folder, options.kill_in, options.beside),
            sys.stdout,
        )
        return
    rows = []
    for users in options.users:
        rows.append(measure(users, setting, options.beside, kill=options.kill))
        if not options.json:
            line = "  ".join(
                f"{name} {value:,.1f}"
                for name, value in rows[-1].items()
                if isinstance(value, float)
            )
            print(f"{users:,} users  {line}  {rows[-1]['digest'][:12]}", flush=True)
    if len({row["users"] for row in rows}) > 1 and not options.json:
        print("  ".join(f"{name} {value:,.1f}" for name, value in growth(rows).items()))
    if options.plot:
        draw(rows, options.plot)
    if options.json:
        json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
