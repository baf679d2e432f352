"""Measure how long a run of many users takes to look at: pages, search, a comparison, a saved page.

    python benchmarks/seeing.py [--users 10000] [--rounds 50] [--folder FOLDER] [--json]

The run is generated (`generated_run.py`) and removed at the end, unless a folder is named: then it
is kept, and taken again by the next call. `why` and `diff` are whole commands in new processes,
beside a process that only imports packages that they need. `diff` compares the run with a copy in
which the second half of the rounds has other metrics, and one step of the last user was decided
otherwise. A search is timed after the index was made. The summary of a run is computed when it
ends; here it is timed by itself.

Of commands, wall time and CPU time are given: on a busy machine, only the second says something.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from generated_run import generate

from starec_sim.runs.folder import SUMMARY
from starec_sim.runs.reader import reading
from starec_sim.stored_summary import run_summary
from starec_sim.traces.overview import read_overview
from starec_sim.traces.people import PeopleQuery, read_people, read_person
from starec_sim.traces.population import read_population
from starec_sim.traces.search import Query, search
from starec_sim.traces.step_page import read_step
from starec_sim.viewer.bundle import make_bundle

LIMITS = {
    "why": 0.5,
    "overview": 1.0,
    "step": 0.2,
    "search": 1.0,
    "diff": 10.0,
    "server, megabytes": 500.0,
    "page of 50 people, megabytes": 5.0,
}
"""What a view may take: seconds, where nothing else is said."""
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


def command(name: str, *arguments: str) -> dict[str, float]:
    """Return the least wall and CPU seconds of a command in a new process."""
    walls, cpus = [], []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {name: min(walls), f"{name}, CPU": min(cpus)}


def changed_copy(folder: Path, place: Path) -> Path:
    """Return a copy of a run that differs from the middle on."""
    copy = place / "copy"
    shutil.copytree(folder, copy)
    (copy / SUMMARY).unlink(missing_ok=True)
    with closing(sqlite3.connect(copy / "run.sqlite")) as db, db:
        (middle, user) = db.execute("SELECT MAX(round) / 2, MAX(user) FROM steps").fetchone()
        db.execute("UPDATE rounds SET digest = digest || 'x' WHERE round >= ?", (middle,))
        db.execute(
            "UPDATE steps SET slow = 1 - slow WHERE (round, user, step) = (?, ?, 0)", (middle, user)
        )
        db.execute(
            "UPDATE visits SET figures = json_set(figures, '$.watch_rate', 0.5) WHERE round >= ?",
            (middle,),
        )
    return copy


def server_megabytes(folder: Path, user: str, round: int) -> float:
    """Return the most memory of a server that showed each page of the run once."""
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from starlette.testclient import TestClient\n"
        "from starec_sim.viewer.app import Viewer\n"
        "folder = Path(sys.argv[1]).resolve()\n"
        "app = Viewer(folder.parent, folder.name, 7575).app()\n"
        "client = TestClient(app, base_url='http://127.0.0.1:7575')\n"
        "for path in sys.argv[2:]:\n"
        "    client.get(f'/api/runs/{folder.name}{path}').raise_for_status()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)\n"
    )
    pages = ["", "/people", f"/person?user={user}", f"/step?user={user}&round={round}"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *pages, "/population", "/search?q=comedy"],
        capture_output=True,
        check=True,
    )
    return float(done.stdout)


def measure(folder: Path, place: Path) -> dict[str, float]:
    """Return what each view of a run takes.

    Args:
        folder: The run.
        place: A folder for files.
    """
    found = {}
    with reading(folder) as reader:
        trial = reader.trial(None, None)
        user, last = f"u{reader.count_users(trial) // 2}", trial.rounds
        (folder / SUMMARY).unlink(missing_ok=True)
        start = time.perf_counter()
        run_summary(folder, None)
        found["summary, once a run"] = time.perf_counter() - start
        start = time.perf_counter()
        search(reader, Query("comedy"))
        found["index for searching, once a run"] = time.perf_counter() - start
        by_stars = PeopleQuery(sort="mean_rating", descending=True)
        views = {
            "step": lambda: read_step(reader, trial, user, last),
            "overview": lambda: read_overview(folder, reader),
            "people": lambda: read_people(reader, trial, by_stars),
            "person": lambda: read_person(reader, trial, user),
            "population": lambda: read_population(reader, trial),
            "search": lambda: search(reader, Query("liked horror")),
        }
        found |= {name: seconds(view) for name, view in views.items()}
    found |= command("why", "-m", "starec_sim", "why", str(folder), user, str(last))
    found |= command("its imports", "-c", IMPORTS)
    found |= command(
        "diff", "-m", "starec_sim", "diff", str(folder), str(changed_copy(folder, place))
    )
    found["server, megabytes"] = server_megabytes(folder, user, last)
    start = time.perf_counter()
    page = make_bundle(folder)
    found["page of 50 people"] = time.perf_counter() - start
    found["page of 50 people, megabytes"] = len(page.page) / 1e6
    found["people in it"] = len(page.users)
    found["record, megabytes"] = (folder / "run.sqlite").stat().st_size / 1e6
    return found


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
        found = measure(folder, Path(place))
    if options.json:
        json.dump(found, sys.stdout)
        return
    for name, value in found.items():
        limit = f"   of {LIMITS[name]:g}" if name in LIMITS else ""
        print(f"{name:<32}{value:>10.3f}{limit}")


if __name__ == "__main__":
    main()
