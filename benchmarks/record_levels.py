"""Measure what recording a step costs at each level: CPU time and bytes of the record.

    python benchmarks/record_levels.py [--users 5000] [--rounds 3] [--turns 0] [--json]

Users of a feed are drawn, with two pages of eight items each and a memory of 40 experiences. Each
round is handed to the recorder as a simulation does it: `take` for each visit, then `commit_round`.
`--turns 1` gives each step one call of a policy, whose prompt is new.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from starec_sim.measure import RoundMetrics
from starec_sim.runs.levels import LEVELS, RecordLevel
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.store import Store
from starec_sim.tasks import FEED
from starec_sim.types import (
    Action,
    CallKey,
    Decision,
    Experience,
    Feedback,
    Item,
    Memory,
    Observation,
    Step,
    Turn,
    User,
    Verdict,
    Visit,
)

PAGES, PAGE_SIZE, ITEMS, MEMORY = 2, 8, 50_000, 40
FIGURES = ("click_through", "watch_rate", "satisfaction", "exits", "pages", "slow", "malformed")
PROMPT = "She has seen many films, and this is what she thought of them. " * 30


def draw_visit(rng: np.random.Generator, user: int, round: int, turns: int) -> Visit:
    """Return a visit with two pages."""
    items = rng.choice(ITEMS, PAGES * PAGE_SIZE + MEMORY, replace=False).tolist()
    stars = rng.integers(1, 6, len(items)).astype(float).tolist()
    watches = (rng.random(PAGES * PAGE_SIZE) < 0.3).tolist()
    memory = Memory(tuple(Experience(i, s, "world") for i, s in zip(items, stars, strict=True)))
    steps = []
    for page in range(PAGES):
        part = slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)
        both = list(zip(items[part], stars[part], watches[part], strict=True))
        lived = tuple(
            Experience(item, rating, "world") for item, rating, watched in both if watched
        )
        reward = {"engagement": len(lived) / PAGE_SIZE, "satisfaction": len(lived) / 7}
        text = f"{PROMPT} {round} {user} {page}"
        asked = [
            Turn("fast", n, "model", (("system", PROMPT), ("user", text)), text[-90:], 400, 90, 0.8)
            for n in range(turns)
        ]
        step = Step(
            Observation(FEED, tuple(items[part]), (), page + 1),
            Decision(
                actions=tuple(
                    Action(item, "watch", rating) if watched else Action(item)
                    for item, rating, watched in both
                )
            ),
            Feedback(lived, reward=reward, ending="" if page + 1 < PAGES else "pages"),
            Verdict(False, "as expected"),
            tuple(asked),
            Memory(memory.history[-MEMORY:], "", page),
        )
        steps.append(step)
    return Visit(user, round, tuple(steps))


def record(rounds: Sequence[Sequence[Visit]], users: int, level: RecordLevel) -> dict[str, float]:
    """Record rounds at a level, and return what a step takes."""
    world = SimpleNamespace(
        users=[User(f"u{n}") for n in range(users)],
        items=[Item("i", "Title")],
        describe=dict,
        history=lambda user: (),
        popularity=[1],
    )
    steps = sum(len(visit.steps) for visits in rounds for visit in visits)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), level=level)
        recorder = Recorder(store, 0)
        digest = recorder.open("main", 0, world).digest
        before = _bytes(Path(folder))
        start = time.process_time()
        for round, visits in enumerate(rounds):
            for visit in visits:
                for number, step in enumerate(visit.steps):
                    for turn in step.turns:
                        recorder.add(CallKey(round, visit.user, number, "fast", turn.attempt), turn)
            taken = [recorder.take(visit) for visit in visits]
            figures = {name: np.full(len(visits), 1 / 3) for name in FIGURES}
            measured = RoundMetrics(figures, dict.fromkeys(FIGURES, 1 / 3))
            digest = recorder.commit_round(round, taken, measured, {}, digest)
        seconds = time.process_time() - start
        store.close()
        size = _bytes(Path(folder)) - before
        memories = _memory_bytes(Path(folder))
    return {
        "us_per_step": 1e6 * seconds / steps,
        "bytes_per_step": (size - memories) / steps,
        "memory_bytes_per_user": memories / users,
    }


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _memory_bytes(folder: Path) -> int:
    """Return the bytes of memories, which are written over and not added with each round."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "run.sqlite")) as db:
        (found,) = db.execute("SELECT TOTAL(LENGTH(memory)) FROM memories").fetchone()
    return int(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=0, help="calls of a policy in each step")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    rounds = [
        [draw_visit(rng, user, round, options.turns) for user in range(options.users)]
        for round in range(options.rounds)
    ]
    gc.freeze()  # as the runner does
    gc.set_threshold(100_000, 20, 20)
    found = {level: record(rounds, options.users, level) for level in LEVELS}
    if options.json:
        json.dump(found, sys.stdout)
        return
    for level, figures in found.items():
        print(f"{level:<12}" + "  ".join(f"{key} {value:,.1f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
