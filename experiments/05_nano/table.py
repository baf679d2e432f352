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

from starec_sim import (
    Evaluation,
    Run,
    RunEvents,
    evaluate,
    progress_display,
    read_run,
)
from starec_sim.evaluation import (
    ContenderSpec,
    Table,
    TableRow,
    find_table,
    render,
    write_table_files,
)
from starec_sim.experiment import recorded_experiment
from starec_sim.holdout import read_protocol
from starec_sim.metrics import bootstrap_interval
from starec_sim.policies.nano import NanoPolicy
from starec_sim.policies.reasoner import ReasonerPolicy

HERE = Path(__file__).parent
SFT, TRAINED, WITHOUT_SFT, REFLECTING = "SFT", "SFT + GRPO", "GRPO without SFT", "reflection"
GOING_BY = "reasoner: {}"
SAMPLED = "{}, sampled"
"""The same weights at temperature `PLAYED_AT`: a sampled answer, not the likeliest one."""
PLAYED_AT: float = NanoPolicy.model_fields["temperature"].default
REPLAYED = 5
"""How many choices an agent with slow thinking plays through before the hold-out evaluation."""


def rows(run: Run, without_sft: Run | None, asked: argparse.Namespace) -> list[ContenderSpec]:
    """Return the rows of a training's table, with the optional ones that were asked for.

    Args:
        run: The training.
        without_sft: A training with the same hold-out users and without SFT.
        asked: The options `sampled`, `line`, `memory` and `reflection`.
    """
    fast = {"use": "star", "gate": {"when": "never"}}
    blind = {"use": "star", "gate": {"when": "never"}, "history_shown": 0}
    first, last = weights(run, "000000"), weights(run, run.manifest.version or "")
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
        weights_of = weights(without_sft, without_sft.manifest.version or "")
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


def weights(run: Run, version: str) -> dict[str, Any]:
    """Return the spec of a policy that plays a version of a training at temperature 0."""
    folder = run.folder / "versions" / Path(version).name
    return {"use": "local", "model": str(folder), "temperature": 0, "max_tokens": 400}


def evaluated(
    run: Run, without_sft: Run | None, asked: argparse.Namespace, display: RunEvents
) -> Table:
    """Return the table of one training; reuse a finished evaluation with the same settings."""
    experiment = recorded_experiment(run.folder)
    signals = [] if asked.bare else experiment.environment.get("signals", [])
    evaluation = Evaluation(
        name=f"{experiment.name}-table",
        data=experiment.data,
        protocol=read_protocol("starec-20", signals=signals, users={"listed": run.held_out()}),
        rows=rows(run, without_sft, asked),
        seed=experiment.seed,
        runs_dir=asked.runs_dir,
    )
    return find_table(evaluation) or evaluate(evaluation, display)[1]


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


def options() -> argparse.ArgumentParser:
    """Return the arguments of this script."""
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
    return arguments


def main() -> None:
    """Evaluate each training, pool the tables, and write the result into NOTES.md."""
    arguments = options()
    given = arguments.parse_args()
    found = [read_run(run, given.runs_dir) for run in given.runs]
    others = [read_run(run, given.runs_dir) for run in given.without_sft or ()]
    for run in [*found, *others]:
        if run.manifest.status != "finished":
            arguments.error(f"{run.folder} is not a finished training: starec resume {run.folder}")
    if others and [run.held_out() for run in others] != [run.held_out() for run in found]:
        arguments.error(
            "--without-sft: these trainings have other hold-out users than RUN; name as many "
            "trainings, of the same data and seeds, in the same order"
        )
    with progress_display("evaluation") as display:
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
