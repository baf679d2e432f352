"""Show which arms follow a change of tastes: NDCG by visit around it, and how much comes back.

    python experiments/07_memory/recovery.py [RUN] [--metric ndcg@10] [--runs-dir runs]

RUN is a run of drift.yaml: its folder, its name, the start of its name, or the latest run when left
out. The script prints a table and writes `recovery.png` into the folder of the run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starec_sim import (
    Decision,
    Experiment,
    StarecError,
    build_environment,
    load_dataset,
    metrics,
    read_experiment,
    read_run,
)
from starec_sim.errors import RunError
from starec_sim.types import FloatArray

WITHIN = 5
"""How many visits after the change an agent has to recover; as many before it are the level."""
RESAMPLES = 5_000
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


class Curves(NamedTuple):
    """A metric by visit."""

    change: int
    """The first visit with the new tastes, counted from 0."""
    arms: Mapping[str, FloatArray]
    """By arm, shape (users, visits); a user's value is her mean over the seeds."""
    ceiling: FloatArray
    """The same for an order by the true taste, shape (users, visits)."""
    chance: float
    """The mean of a random order."""


def read(folder: Path, metric: str) -> Curves:
    """Read the curves of a run.

    Raises:
        RunError: The run has no change of tastes, too few visits around it, or not this metric.
    """
    experiment = read_experiment(folder)
    change = ((experiment.data or {}).get("drift") or {}).get("at_round")
    if change is None or not WITHIN <= change <= experiment.rounds - 2 * WITHIN:
        raise RunError(
            f"{folder} does not show {WITHIN} visits before a change of tastes and {2 * WITHIN} "
            "after it",
            hint="run experiments/07_memory/drift.yaml",
        )
    values: dict[str, dict[tuple[str, int], list[float]]] = {}
    for visit in read_run(folder).visits():
        if visit.metric == metric:
            by_visit = values.setdefault(visit.arm, {})
            by_visit.setdefault((visit.user, visit.round), []).append(visit.value)
    if not values:
        raise RunError(f"{folder} has no {metric}", hint="see `starec show RUN --explain`")
    at = int(metric.partition("@")[2])
    ranks = np.arange(1.0, 1 + experiment.environment.get("candidates", 20))
    arms = {arm: _by_user(found, experiment.rounds) for arm, found in values.items()}
    ceiling = _by_user(_true_orders(experiment, at), experiment.rounds)
    return Curves(change, arms, ceiling, float(metrics.ndcg(ranks, at).mean()))


def _by_user(values: Mapping[tuple[str, int], list[float]], visits: int) -> FloatArray:
    users = sorted({user for user, _ in values})
    rows = [
        [np.mean(values.get((user, visit), np.nan)) for visit in range(visits)] for user in users
    ]
    return np.array(rows)


def _true_orders(experiment: Experiment, at: int) -> Mapping[tuple[str, int], list[float]]:
    """Return the metric of an order by the true tastes, by (user, visit), on the run's lists."""
    dataset = load_dataset(experiment.data)
    rows = {user.id: row for row, user in enumerate(dataset.users)}
    values: dict[tuple[str, int], list[float]] = {}
    for number in range(experiment.replicates):
        environment = build_environment(experiment.environment, dataset, experiment.seed + number)
        for visit in range(experiment.rounds):
            for user in environment.begin_round(visit):
                shown = environment.observe(user, ())
                choice = environment.respond(user, (), shown, Decision()).target
                slate, person = np.array(shown.slate), environment.users[user].id
                taste = dataset.world.taste(rows[person], slate, visit)
                rank = 1.0 + (taste > taste[slate == choice]).sum()
                earned = float(metrics.ndcg(np.array([rank]), at)[0])
                values.setdefault((person, visit), []).append(earned)
    return values


def recovery(curves: Curves, values: FloatArray) -> list[str]:
    """Return the cells of an arm's row, from its values of shape (users, visits)."""
    change = curves.change
    before = values[:, change - WITHIN : change].mean(axis=1)
    first, sixth = values[:, change], values[:, change + WITHIN]
    later = values[:, change + WITHIN : change + 2 * WITHIN].mean(axis=1)
    cells = [_cell(column) for column in (before, first, sixth, later)]
    gained = before.mean() - curves.chance
    if gained < 0.02:  # a share of almost nothing is meaningless
        return [*cells, "", "", ""]
    return [
        *cells,
        _share(sixth, before, 0.0),
        _share(sixth, before, curves.chance),
        _share(later, before, curves.chance),
    ]


def _cell(values: FloatArray) -> str:
    found = metrics.bootstrap_interval(values, seed=0)
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _share(after: FloatArray, before: FloatArray, floor: float) -> str:
    """Return (after - floor) / (before - floor) in percent, with its interval over users."""
    drawn = np.random.default_rng(0).integers(len(after), size=(RESAMPLES, len(after)))
    shares = (after[drawn].mean(axis=1) - floor) / (before[drawn].mean(axis=1) - floor)
    low, high = np.quantile(shares, (0.025, 0.975))
    share = (after.mean() - floor) / (before.mean() - floor)
    share, low, high = (round(float(100 * value)) for value in (share, low, high))
    return f"{share} % [{low}, {high}]"


def table(curves: Curves) -> str:
    """Return the table as Markdown."""
    head = ["", "before", "first visit", "sixth", "sixth to tenth"]
    head += ["kept, sixth", "back, sixth", "back, sixth to tenth"]
    lines = [head, ["---"] * len(head)]
    for arm, values in {**curves.arms, "true taste": curves.ceiling}.items():
        lines.append([arm, *recovery(curves, values)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def draw(curves: Curves, metric: str, path: Path) -> None:
    """Draw the curves; visits are counted from the change."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(7.5, 4.2), layout="constrained")
    FigureCanvasAgg(canvas)
    axis = canvas.subplots()
    for (arm, values), colour in zip(curves.arms.items(), COLOURS, strict=False):
        visits = np.arange(values.shape[1]) - curves.change + 1
        mean = values.mean(axis=0)
        half = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
        axis.plot(visits, mean, color=colour, label=arm, lw=1.8, marker="o", ms=3.5)
        axis.fill_between(visits, mean - half, mean + half, color=colour, alpha=0.13, lw=0)
    axis.axhline(curves.chance, color="#999999", lw=1, ls=":", label="a random order")
    axis.axvline(0.5, color="#444444", lw=1, ls="--")
    axis.set_xlabel("visits since tastes changed   (bands: 95 % interval of the mean)")
    axis.set_ylabel(metric.upper())
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, ncols=3)
    canvas.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Print the table and draw the plot."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("run", nargs="?", default="latest")
    arguments.add_argument(
        "--metric", default="ndcg@10", choices=[f"ndcg@{k}" for k in (1, 5, 10, 20)]
    )
    arguments.add_argument("--runs-dir", type=Path, default=Path("runs"))
    asked = arguments.parse_args()
    try:
        folder = read_run(asked.run, asked.runs_dir).folder
        curves = read(folder, asked.metric)
    except StarecError as error:
        sys.exit(f"{error.message}\n{error.hint}")
    print(table(curves))
    draw(curves, asked.metric, folder / "recovery.png")
    print(f"\nplot: {folder / 'recovery.png'}")


if __name__ == "__main__":
    main()
