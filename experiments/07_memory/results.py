"""Run the experiments of this folder with a policy and write the results into NOTES.md.

    python experiments/07_memory/results.py reasoner
    python experiments/07_memory/results.py nano --users 60 --replicates 1 --without surprise
    python experiments/07_memory/results.py nano --only drift
    python experiments/07_memory/results.py nano-taught --weights RUN  nano after a training
    python experiments/07_memory/results.py reasoner --runs RUN...       runs that exist already

Each policy has a block in NOTES.md. A second run of the same policy replaces its block. An
experiment that is not run keeps its part of the block.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from recovery import draw, read, table

from starec_sim import Experiment, StarecError, progress_display, read_experiment, read_run, run
from starec_sim.errors import RunError
from starec_sim.report import RunReport, summarise

HERE = Path(__file__).parent
USERS = {
    "reflection": "environment.users",
    "swapped": "environment.protocol.users.count",
    "drift": "data.users",
}
"""Each experiment, and its key for the number of users."""
METRICS = ("ndcg@1", "ndcg@10")
LAST_BLOCK = "## What was tried"


def main() -> None:
    """Run the experiments, or read finished runs, and write the tables."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("policy", help="as in an experiment's `policies`, without settings")
    arguments.add_argument(
        "--weights",
        metavar="RUN",
        help="play nano with the last weights of this training; POLICY names the block",
    )
    arguments.add_argument("--only", choices=list(USERS), nargs="+", default=list(USERS))
    arguments.add_argument("--users", type=int)
    arguments.add_argument("--replicates", type=int)
    arguments.add_argument("--without", nargs="+", default=[], metavar="ARM")
    arguments.add_argument(
        "--runs", nargs="+", metavar="RUN", help="read these runs instead of running anything"
    )
    arguments.add_argument("--runs-dir", type=Path, default=Path("runs"))
    asked = arguments.parse_args()
    try:
        if asked.runs:
            folders: Iterable[Path] = (read_run(r, asked.runs_dir).folder for r in asked.runs)
        else:
            # Resolve `latest` before anything runs: each new run becomes the latest.
            spec = _trained(asked.weights, asked.runs_dir) if asked.weights else asked.policy
            folders = (_played(name, spec, asked) for name in asked.only)
        for folder in folders:
            name = read_experiment(folder).name.removeprefix("memory-")
            _put(asked.policy, name, _part(folder, name, asked.policy))
    except StarecError as error:
        sys.exit(str(error))


def _trained(name: str, runs_dir: Path) -> str:
    """Return the policy spec that plays the last weights of a training, as JSON.

    Raises:
        RunError: The run is not a training, or has not finished.
    """
    training = read_run(name, runs_dir)
    folder, manifest = training.folder, training.manifest
    if (manifest.kind, manifest.status) != ("training", "finished"):
        raise RunError(
            f"{folder} is not a finished training",
            hint=f"name one, or go on with it: starec resume {folder}",
        )
    last = folder / "versions" / Path(manifest.version or "").name
    # A reflection on a long visit needs more than the 400 tokens of nano's default.
    return json.dumps({"use": "nano", "model": str(last), "max_tokens": 600})


def _played(name: str, spec: str, asked: argparse.Namespace) -> Path:
    path = HERE / f"{name}.yaml"
    changes = [f"policies.{node}={spec}" for node in ("fast", "slow")]
    changes += [f"runs_dir={asked.runs_dir}"]
    changes += [f"replicates={asked.replicates}"] if asked.replicates else []
    changes += [f"{USERS[name]}={asked.users}"] if asked.users else []
    experiment = read_experiment(path, changes)
    arms = {arm: keys for arm, keys in experiment.arms.items() if arm not in asked.without}
    with progress_display() as display:
        return run(experiment.model_copy(update={"arms": arms}), display).folder


def _part(folder: Path, name: str, policy: str) -> str:
    """Return the tables (and the plot) of a run as Markdown."""
    experiment = read_experiment(folder)
    if name != "drift":
        report = summarise(folder, experiment.report.last_rounds, METRICS)
        return f"{_said(experiment, report)}\n\n{_figures(report)}"
    curves = read(folder, "ndcg@10")
    picture = HERE / "results" / f"{policy}.png"
    picture.parent.mkdir(exist_ok=True)
    draw(curves, "ndcg@10", picture)
    people = len(next(iter(curves.arms.values())))
    return (
        f"`drift`, NDCG@10, {people} users, {_seeds(experiment)}:\n\n{table(curves)}\n\n"
        f"![NDCG@10 by visit](results/{picture.name})"
    )


def _said(experiment: Experiment, report: RunReport) -> str:
    name = experiment.name.removeprefix("memory-")
    users = max(f[METRICS[0]].interval.n for f in report.metrics.values())
    last = (
        "the hold-out evaluation" if name == "swapped" else f"the last {report.last_rounds} choices"
    )
    shown = experiment.agent.get("history_shown", 10)
    return f"`{name}`, {shown} experiences shown, {users} users, {_seeds(experiment)}, {last}:"


def _seeds(experiment: Experiment) -> str:
    first, count = experiment.seed, experiment.replicates
    return f"seeds {first} to {first + count - 1}" if count > 1 else f"seed {first}"


def _figures(report: RunReport) -> str:
    first = next(iter(report.metrics))
    lines = [["", *METRICS, *(f"{metric}, against {first}" for metric in METRICS)]]
    lines.append(["---"] * len(lines[0]))
    for arm, figures in report.metrics.items():
        cells = [
            f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]"
            for i in (figures[metric].interval for metric in METRICS)
        ]
        apart = report.differences.get(arm, {})
        cells += [
            f"{i.mean:+.3f} [{i.low:+.3f}, {i.high:+.3f}]"
            for i in (apart[metric].interval for metric in METRICS if metric in apart)
        ]
        lines.append([arm, *cells, *[""] * (len(lines[0]) - 1 - len(cells))])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _put(policy: str, name: str, text: str) -> None:
    """Write the text of an experiment into the policy's block of NOTES.md."""
    path = HERE / "NOTES.md"
    page = path.read_text("utf-8")
    if f"## `{policy}`\n" not in page:
        marks = "".join(f"<!-- {policy} {one} -->\n<!-- / -->\n\n" for one in USERS)
        page = page.replace(LAST_BLOCK, f"## `{policy}`\n\n{marks}{LAST_BLOCK}")
    begin = f"<!-- {policy} {name} -->\n"
    pattern = re.compile(re.escape(begin) + ".*?<!-- / -->", re.DOTALL)
    page = pattern.sub(lambda _: f"{begin}{text}\n<!-- / -->", page)
    path.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
