"""Measure the memory that a user takes in a running simulation, between two rounds.

    python benchmarks/memory_per_user.py [--users 1000 10000 100000] [--rounds 2] [--json]

Users of a generated world (2,000 items, 40 interactions each) visit a feed, all of them in each
round, and decide by a formula: no policy is asked. A second process goes on with the run, as after
a resume: its resident memory is what a simulation holds between two rounds (`simulation`), without
what a round leaves in the allocator. `peak` is that of the process that played. Both are given for
a user as the growth over the smallest size, so the interpreter does not count. All in MiB.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from starec_environments.datasets.synthetic import Synthetic
from starec_environments.feed import FeedEnvironment
from starec_sim.agent import Call
from starec_sim.rng import Streams
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.store import Store
from starec_sim.simulation import Simulation, VisitRules
from starec_sim.types import Action, Decision, Step, Verdict, Visit

ITEMS = 2_000
BATCH = 64


class FormulaAgent:
    """Watches each second item, and remembers what came of it."""

    history_limit = 40

    def prompts(self) -> dict[str, str]:
        return {}

    async def visit(self, call: Call) -> Visit:
        steps: tuple[Step, ...] = ()
        memory = call.memory
        while True:
            shown = call.environment.observe(call.user, steps)
            decision = Decision(
                actions=tuple(
                    Action(item, "watch", 3.0) if place % 2 else Action(item)
                    for place, item in enumerate(shown.slate)
                )
            )
            feedback = call.environment.respond(call.user, steps, shown, decision)
            memory = memory.after_step(feedback.experiences, "", self.history_limit)
            step = Step(shown, decision, feedback, Verdict(False, ""), (), memory)
            steps = (*steps, step)
            if feedback.ending:
                return Visit(call.user, call.round, steps)


def resident_mb() -> float:
    """Return the memory of this process, without what waits to be collected."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no line VmRSS")


def prepare(users: int, folder: Path) -> tuple[Simulation, Store, dict[str, float]]:
    """Build a simulation that goes on where the record in the folder stands."""
    found = {"users": float(users), "python": resident_mb()}
    dataset = Synthetic(Synthetic.Config(users=users, items=ITEMS)).load()
    found["data"] = resident_mb()
    config = FeedEnvironment.Config(
        recommender={"use": "popularity"}, activity=1.0, pages=2, min_interactions=1
    )
    environment = FeedEnvironment(config, dataset, Streams(0))
    found["environment"] = resident_mb()
    store = Store(folder, level="decisions")
    recorder = Recorder(store, 0)
    state = recorder.open("main", 0, environment)
    rules = VisitRules(BATCH)
    simulation = Simulation(FormulaAgent(), environment, None, recorder, state, visit_rules=rules)
    del state
    found["simulation"] = resident_mb()
    return simulation, store, found


def play(users: int, rounds: int, folder: Path) -> dict[str, float]:
    """Play some rounds, and return what is in memory at each stage, in MiB."""
    simulation, store, found = prepare(users, folder)
    start = time.process_time()
    asyncio.run(simulation.run(rounds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.process_time() - start
    store.close()
    size = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
    return {**found, "peak": peak, "rounds_s": seconds, "record": size}


def measure(users: int, rounds: int) -> dict[str, float]:
    """Play some rounds in one process, and go on in another, whose memory is measured."""
    with tempfile.TemporaryDirectory() as folder:
        stages = []
        for stage in ("play", "rest"):
            command = [sys.executable, __file__, "--alone", str(users), "--rounds", str(rounds)]
            command += ["--stage", stage, "--folder", folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            stages.append(json.loads(done.stdout))
    played, rest = stages
    return {**rest, **{name: played[name] for name in ("peak", "rounds_s", "record")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone and options.stage == "play":
        json.dump(play(options.alone, options.rounds, options.folder), sys.stdout)
        return
    if options.alone:
        json.dump(prepare(options.alone, options.folder)[2], sys.stdout)
        return
    rows = []
    for users in options.users:
        rows.append(measure(users, options.rounds))
        if not options.json:
            print("  ".join(f"{name} {value:,.1f}" for name, value in rows[-1].items()), flush=True)
    for row in rows[1:]:
        added = row["users"] - rows[0]["users"]
        for name, stage in (("kib_at_rest", "simulation"), ("kib_peak", "peak")):
            row[name] = 1024 * (row[stage] - rows[0][stage]) / added
        if not options.json:
            print(
                f"{row['users']:,.0f} users: {row['kib_at_rest']:.2f} KiB a user at rest, "
                f"{row['kib_peak']:.2f} KiB at the peak of a round"
            )
    if options.json:
        json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
