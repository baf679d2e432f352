"""Measure how long a run of many users takes to look at: why, overview, people, population.

    python benchmarks/seeing.py [--users 10000] [--rounds 50] [--folder FOLDER] [--json]

The run is generated (`generated_run.py`) and removed at the end, unless a folder is named: then it
is kept, and taken again by the next call. `why` is the whole command in a new process, three times,
beside a process that only imports what prints it. The summary of a run is computed when it ends;
here it is timed by itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from generated_run import generate

from starec_sim.runs.reader import reading
from starec_sim.stored_summary import FILE, run_summary
from starec_sim.traces.overview import read_overview
from starec_sim.traces.people import PeopleQuery, read_people, read_person
from starec_sim.traces.population import read_population
from starec_sim.traces.step_page import read_step

LIMITS_S = {"why": 0.5, "overview": 1.0, "step": 0.2}
"""Seconds that a view may take."""
REPEATS = 3
IMPORTS = "import typer, rich.console, numpy, pydantic, sqlite3, zstandard"


def seconds(action: Callable[[], object]) -> float:
    """Return the shortest wall time of a few repetitions."""
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        took.append(time.perf_counter() - start)
    return min(took)


def process(*arguments: str) -> Callable[[], object]:
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, capture_output=True, check=True)


def measure(folder: Path) -> dict[str, float]:
    """Return the seconds of each view of a run."""
    with reading(folder) as reader:
        trial = reader.trial(None, None)
        user, last = f"u{reader.count_users(trial) // 2}", trial.rounds
        (folder / FILE).unlink(missing_ok=True)
        start = time.perf_counter()
        run_summary(folder, None)
        summary = time.perf_counter() - start
        by_stars = PeopleQuery(sort="mean_rating", descending=True)
        return {
            "why": seconds(process("-m", "starec_sim", "why", str(folder), user, str(last))),
            "its imports": seconds(process("-c", IMPORTS)),
            "step": seconds(lambda: read_step(reader, trial, user, last)),
            "overview": seconds(lambda: read_overview(folder, reader)),
            "people": seconds(lambda: read_people(reader, trial, by_stars)),
            "person": seconds(lambda: read_person(reader, trial, user)),
            "population": seconds(lambda: read_population(reader, trial)),
            "summary, once a run": summary,
            "megabytes": (folder / "run.sqlite").stat().st_size / 1e6,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="where the run is kept")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place) / "run"
        if not folder.exists():
            generate(folder, options.users, options.rounds)
        found = measure(folder)
    if options.json:
        json.dump(found, sys.stdout)
        return
    for name, value in found.items():
        limit = f"   of {LIMITS_S[name]:g}" if name in LIMITS_S else ""
        print(f"{name:<22}{value:>10.3f}{limit}")


if __name__ == "__main__":
    main()
