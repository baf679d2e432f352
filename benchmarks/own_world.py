"""What a step in an environment of three methods costs, beside a step in `feed`.

    python benchmarks/own_world.py [--json]

Both show pages of 10 of 1,000 items to 200 users with the lexical policy, and record all. The
environment of three methods is a plug-in: all its calls are checked, in the first two rounds twice.
Pairs of runs in one process, every other pair in the other order; the figures are CPU microseconds
a step, of rounds after the second and of all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from user_steps import Meter

from starec_sim import (
    ActionKind,
    Amount,
    Decision,
    Experience,
    Experiment,
    Feedback,
    Observation,
    Step,
    Task,
    World,
    run,
)
from starec_sim.dataset import required

PAIRS = 8
PAGES, SIZE = 5, 10


class Pages(World):
    """Random pages; what is watched is worth as many stars as its row says."""

    task = Task("pages", (ActionKind("watch", Amount(1, 5, unit="stars"), optional=True),))

    def set_up(self) -> None:
        """Take users and items of the dataset."""
        dataset = required(self.dataset)
        self.users, self.items = dataset.users, dataset.items

    def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
        """Show the next items of an order that is the user's in this round."""
        start = (user * 7919 + self.round * 104_729 + len(steps) * SIZE) % len(self.items)
        return [(start + place) % len(self.items) for place in range(SIZE)]

    def react(
        self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
    ) -> Feedback:
        """Reveal the stars of what was watched."""
        lived = tuple(
            Experience(action.item, 1.0 + (action.item * 31 + user) % 5, "world")
            for action in decision.actions
            if action.done
        )
        ending = "left" if decision.leave else "pages" if len(steps) + 1 == PAGES else ""
        return Feedback(lived, reward={"watched": len(lived) / SIZE}, ending=ending)


class RoundMeter(Meter):
    """Counts steps and seconds of each round."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[tuple[int, float]] = []

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        super().round_finished(round, metrics)
        self.rounds.append((self.steps, self.seconds))


WORLDS = {
    "feed": {"use": "feed", "recommender": "random", "page_size": SIZE, "pages": PAGES},
    "three methods": {"use": f"{Path(__file__).resolve()}:Pages"},
}


def measure(world: str) -> tuple[float, float]:
    """Return CPU microseconds a step: after the second round, and of all rounds."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(
            name="bench",
            rounds=6,
            runs_dir=Path(folder),
            data={"use": "synthetic", "users": 200, "items": 1000},
            environment=WORLDS[world],
            policies={"fast": {"use": "lexical"}, "slow": {"use": "lexical"}},
        )
        meter = RoundMeter()
        run(experiment, meter)
        (steps_2, seconds_2), (steps, seconds) = meter.rounds[1], meter.rounds[-1]
        return 1e6 * (seconds - seconds_2) / (steps - steps_2), 1e6 * seconds / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measure("feed")  # what is imported and compiled once belongs to no pair
    orders = [list(WORLDS), list(reversed(WORLDS))]
    runs = [{world: measure(world) for world in orders[pair % 2]} for pair in range(PAIRS)]
    figures = {}
    for at, name in enumerate(("after the second round", "all rounds")):
        ratios = [each["three methods"][at] / each["feed"][at] for each in runs]
        lower, median, upper = statistics.quantiles(ratios, n=4)
        figures[name] = {
            **{f"{w}, us a step": statistics.median(e[w][at] for e in runs) for w in WORLDS},
            "ratio of pairs": median,
            "lower quartile": lower,
            "upper quartile": upper,
        }
    if options.json:
        json.dump(figures, sys.stdout)
        return
    for name, found in figures.items():
        print(name)
        for key, value in found.items():
            print(f"  {key:<28}{value:>10,.2f}")


if __name__ == "__main__":
    main()
