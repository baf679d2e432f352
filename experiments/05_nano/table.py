"""Evaluate several trainings on their hold-out users and pool the results into one table.

    python experiments/05_nano/table.py NAME RUN [RUN ...]

RUN is a finished `starec train experiments/05_nano`. Name runs of several seeds, because each seed
holds out other users. A user whom several trainings hold out counts once, with the mean of her
figures. Data and weights are those of the training. The cards of all users carry the training's
signals, also for users who did not see them in the training; `--bare` leaves the signals out. The
table is written to results/NAME and into NOTES.md, between the marks of NAME.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from starec_sim.cli.evaluation_progress import EvaluationProgress
from starec_sim.evaluation import (
    Evaluation,
    Table,
    evaluate,
    read_settings,
    read_table,
    render,
)
from starec_sim.evaluation.contenders import ContenderSpec
from starec_sim.evaluation.folder import TABLE
from starec_sim.evaluation.table import TableRow
from starec_sim.evaluation.table_files import write_table_files
from starec_sim.experiment import Experiment, recorded_experiment
from starec_sim.holdout import read_protocol
from starec_sim.learning.checkpoints import read_held_out
from starec_sim.metrics import bootstrap_interval
from starec_sim.policies.nano import NanoPolicy
from starec_sim.policies.reasoner import ReasonerPolicy
from starec_sim.runs import folder as run_folder
from starec_sim.runs.manifest import read_manifest

HERE = Path(__file__).parent
SFT, TRAINED, WITHOUT_SFT, REFLECTING = "SFT", "SFT + GRPO", "GRPO without SFT", "reflection"
GOING_BY = "reasoner: {}"
SAMPLED = "{}, sampled"
"""The same weights at temperature `PLAYED_AT`: a sampled answer, not the likeliest one."""
PLAYED_AT: float = NanoPolicy.model_fields["temperature"].default
REPLAYED = 5
"""How many choices an agent with slow thinking plays through before the hold-out evaluation."""


def rows(run: Path, without_sft: Path | None, asked: argparse.Namespace) -> list[ContenderSpec]:
    """Return the rows of a training's table, with the optional ones that were asked for.

    Args:
        run: The training.
        without_sft: A training with the same hold-out users and without SFT.
        asked: The options `sampled`, `line`, `memory` and `reflection`.
    """
    fast = {"use": "star", "gate": {"when": "never"}}
    blind = {"use": "star", "gate": {"when": "never"}, "history_shown": 0}
    first, last = weights(run, "000000"), weights(run, read_manifest(run).version or "")
    values: list[dict[str, Any]] = [
        {"name": "random", "floor": "random"},
        {"name": "popularity", "recommender": "popularity"},
        {"name": "BPR, full", "recommender": "bpr"},
        {"name": "ALS, full", "recommender": {"use": "als", "regularization": 10.0}},
        {"name": "EASE, full", "recommender": "ease"},
        {"name": "oracle", "floor": "oracle"},
        {"name": "lexical", "agent": fast, "replay": 0, "policy": {"use": "lexical"}},
        {"name": "reasoner", "agent": fast, "replay": 0, "policy": {"use": "reasoner"}},
        {"name": SFT, "agent": fast, "replay": 0, "policy": first},
        {"name": TRAINED, "agent": fast, "replay": 0, "policy": last},
    ]
    if asked.line:
        reasoner = {"use": "reasoner", **asked.line.model_dump(exclude_unset=True)}
        name = GOING_BY.format(asked.line.first_line([]))
        values.append({"name": name, "agent": fast, "replay": 0, "policy": reasoner})
    if asked.sampled:
        values += [
            {
                "name": SAMPLED.format(name),
                "agent": fast,
                "replay": 0,
                "policy": {**policy, "temperature": PLAYED_AT},
            }
            for name, policy in ((SFT, first), (TRAINED, last))
        ]
    if without_sft:
        weights_of = weights(without_sft, read_manifest(without_sft).version or "")
        values.append({"name": WITHOUT_SFT, "agent": fast, "replay": 0, "policy": weights_of})
    if asked.reflection:
        slow = {"use": "star", "gate": {"when": "always"}}
        values += [
            {"name": "no reflection", "agent": fast, "replay": REPLAYED, "policy": last},
            {"name": REFLECTING, "agent": slow, "replay": REPLAYED, "policy": last},
        ]
    if asked.memory:
        values += [
            {
                "name": "swapped memory",
                "agent": fast,
                "replay": 0,
                "policy": last,
                "memory": "swapped",
            },
            {"name": "no memory", "agent": blind, "replay": 0, "policy": last},
        ]
    return [ContenderSpec(**one) for one in values]


def weights(run: Path, version: str) -> dict[str, Any]:
    """Return the spec of a policy that plays a version of a training at temperature 0."""
    folder = run / "versions" / Path(version).name
    return {"use": "local", "model": str(folder), "temperature": 0, "max_tokens": 400}


def evaluated(
    run: Path, without_sft: Path | None, asked: argparse.Namespace, display: EvaluationProgress
) -> Table:
    """Return the table of one training; reuse a finished evaluation with the same settings."""
    runs_dir: Path = asked.runs_dir
    experiment: Experiment = recorded_experiment(run)
    signals = [] if asked.bare else experiment.environment.get("signals", [])
    evaluation = Evaluation(
        name=f"{experiment.name}-table",
        data=experiment.data,
        protocol=read_protocol("starec-20", signals=signals, users={"listed": read_held_out(run)}),
        rows=rows(run, without_sft, asked),
        seed=experiment.seed,
        runs_dir=runs_dir,
    )
    for folder in run_folder.listed(runs_dir):
        if (folder / TABLE).is_file() and read_settings(folder).key == evaluation.key:
            return read_table(folder)
    return evaluate(evaluation, display)[1]


def pooled(tables: Sequence[Table]) -> Table:
    """Return one table of several: each user has the mean over the tables that contain her.

    Counts of flawed answers are summed over tables; costs are a mean over tables.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for table in tables:
        for row in table.rows:
            for metric, values in row.values.items():
                for user, value in zip(table.users, values.tolist(), strict=True):
                    found[row.name][metric][user].append(value)
    users = tuple(dict.fromkeys(user for table in tables for user in table.users))
    made = []
    for row in tables[0].rows:
        values = {
            metric: np.array([np.mean(by_user[user]) for user in users])
            for metric, by_user in found[row.name].items()
        }
        intervals = {metric: bootstrap_interval(each, seed=0) for metric, each in values.items()}
        counters: dict[str, int] = defaultdict(int)
        spent: dict[str, list[float]] = defaultdict(list)
        for table in tables:
            for name, count in table.row(row.name).counters.items():
                counters[name] += count
            for name, cost in table.row(row.name).costs.items():
                if cost is not None:
                    spent[name].append(cost)
        costs = {name: float(np.mean(spent[name])) if spent[name] else None for name in row.costs}
        made.append(TableRow(row.name, row.how, intervals, values, counters, costs))
    first = tables[0].about
    about = {**first, "seed": ", ".join(str(table.about["seed"]) for table in tables)}
    about["counts"] = {**first["counts"], "users": len(users)}
    about["exam"] = hashlib.sha256("".join(t.about["exam"] for t in tables).encode()).hexdigest()
    digest = hashlib.sha256("".join(table.digest for table in tables).encode()).hexdigest()
    return Table(tuple(made), about, users, digest)


def main() -> None:
    """Evaluate each training, pool the tables, and write the result into NOTES.md."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("name", help="of the table: NOTES.md has marks with this name")
    arguments.add_argument("runs", nargs="+", metavar="RUN", help="finished trainings")
    arguments.add_argument(
        "--memory", action="store_true", help="add rows with no memory and another's memory"
    )
    arguments.add_argument(
        "--sampled",
        action="store_true",
        help=f"add rows at temperature {PLAYED_AT}, as nano plays by default",
    )
    arguments.add_argument(
        "--compare",
        nargs="+",
        default=[],
        metavar="ROW",
        help=f"also print the difference of {TRAINED} to these rows",
    )
    arguments.add_argument(
        "--line",
        type=ReasonerPolicy.from_first_line,
        metavar="LINE",
        help='add the reasoner with these weights, e.g. "By habit 1, popularity 2, rating 1"',
    )
    arguments.add_argument("--bare", action="store_true", help="leave the signals off the cards")
    arguments.add_argument(
        "--reflection",
        action="store_true",
        help=f"add rows with and without slow thinking, after {REPLAYED} choices played through",
    )
    arguments.add_argument(
        "--without-sft",
        nargs="+",
        metavar="RUN",
        help="trainings without SFT, with the same seeds as RUN in the same order",
    )
    arguments.add_argument("--runs-dir", type=Path, default=Path("runs"))
    given = arguments.parse_args()
    found = [run_folder.find(run, given.runs_dir) for run in given.runs]
    others = [run_folder.find(run, given.runs_dir) for run in given.without_sft or ()]
    for folder in [*found, *others]:
        if read_manifest(folder).status != "finished":
            arguments.error(f"{folder} is not a finished training: starec resume {folder}")
    if others and [*map(read_held_out, others)] != [*map(read_held_out, found)]:
        arguments.error(
            "--without-sft: these trainings have other hold-out users than RUN; name as many "
            "trainings, of the same data and seeds, in the same order"
        )
    display = EvaluationProgress()
    with display:
        tables = [
            evaluated(run, other, given, display)
            for run, other in zip(found, others or [None] * len(found), strict=True)
        ]
    table = pooled(tables)
    write_table_files(table, HERE / "results" / given.name, SFT)
    text = render.markdown(table, SFT)
    pairs = [(TRAINED, SFT)]
    if given.sampled:
        pairs.append((SAMPLED.format(TRAINED), SAMPLED.format(SFT)))
    for better, worse in pairs:
        gain = table.compare(better, worse, ["ndcg@1"])["ndcg@1"]
        text += f"\n{better} against {worse}, NDCG@1: {render.difference_text(gain)}, "
        text += f"p {render.p_text(gain.p)}."
    render.put_into(HERE / "NOTES.md", given.name, text)
    print(text)
    for row in given.compare:
        for metric, gain in table.compare(TRAINED, row, ["ndcg@1", "ndcg@10"]).items():
            print(f"{TRAINED} against {row}, {metric}: {render.difference_text(gain)}")


if __name__ == "__main__":
    main()
