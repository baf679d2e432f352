"""Draw the pictures of docs/worlds.md from experiments/09_worlds and experiments/02_feedback_loop.

Usage: python docs/world_pictures.py [movies shop music news short_video bubble]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pictures import PICTURES, make_smaller, starec_json

from starec_environments.worlds.bubble import favourite_share, joy, onset
from starec_sim import read_run
from starec_sim.plot import plot_report
from starec_sim.plot_style import COLOURS, new_figure, plot_style, save_figure
from starec_sim.report import summarise

METRICS = {
    "movies": ["satisfaction", "diversity", "coverage"],
    "shop": ["revenue", "refunds", "net_revenue"],
    "music": ["liked_plays", "tired_share", "repeat_share"],
    "news": ["never_read", "age_read", "click_through"],
    "short_video": ["seconds", "videos", "tired"],
}
LAST_ROUNDS = 4


def main(wanted: Sequence[str]) -> None:
    """Draw the pictures that are named; all of them if none is."""
    with tempfile.TemporaryDirectory() as runs:
        for name in wanted or (*METRICS, "bubble"):
            command = experiment(name)
            run = starec_json("run", *command.split(), "--set", f"runs_dir={runs}")["run"]
            draw(name, Path(run))


def experiment(name: str) -> str:
    """Return what `starec run` takes for the picture of a world."""
    if name == "movies":
        small = "--set data.users=80 --set data.items=600 --set replicates=1"
        return f"experiments/02_feedback_loop --data synthetic {small}"
    return f"experiments/09_worlds/{name}.yaml"


def draw(name: str, run: Path) -> None:
    """Draw the picture of one world from a run of its experiment."""
    picture = PICTURES / f"world-{name.replace('_', '-')}.png"
    if name == "bubble":
        draw_bubble(run, picture)
    else:
        report = summarise(run, LAST_ROUNDS, METRICS[name])
        plot_report(report, f"starec run {experiment(name)}", picture)
    make_smaller(picture)


def draw_bubble(run: Path, picture: Path) -> None:
    """Draw what was measured beside what the formulas say."""
    measured: dict[tuple[str, str, int], list[float]] = {}
    for row in read_run(run).metrics():
        measured.setdefault((row.arm, row.metric, row.round), []).append(row.value)
    settings = read_run(run).configuration["environment"]
    growth, topics = settings.get("growth", 1.5), settings.get("topics", 5)
    best, bubble = settings.get("best_share", 0.6), settings.get("bubble", 0.8)
    rounds = np.arange(1 + max(round for *_, round in measured))
    share = [favourite_share(growth, topics, int(t)) for t in rounds]
    expected = {
        "favourite_share": {"greedy": share, "best": [best] * len(rounds)},
        "joy": {"greedy": [joy(x, best) for x in share], "best": [1.0] * len(rounds)},
    }
    with plot_style():
        figure = new_figure(8.4, 3.2)
        axes = figure.subplots(1, 2)
        for axis, (metric, arms) in zip(axes, expected.items(), strict=True):
            for colour, (arm, formula) in zip(COLOURS, arms.items(), strict=False):
                values = [np.mean(measured[arm, metric, int(t)]) for t in rounds]
                axis.plot(rounds + 1, formula, color=colour, label=f"{arm}, formula")
                axis.plot(rounds + 1, values, "o", color=colour, label=f"{arm}, measured")
            axis.set_title(metric)
            axis.set_xlabel("round")
            axis.axvline(onset(growth, topics, bubble) + 1, color="grey", linestyle=":")
        axes[0].legend(loc="upper left")
        save_figure(figure, picture)


if __name__ == "__main__":
    main(sys.argv[1:])
