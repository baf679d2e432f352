"""`starec eval`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import (
    Against,
    Answer,
    AsJson,
    BudgetChanges,
    Data,
    DataChanges,
    RunsDir,
    budget_changes,
    read_data,
    takes_options,
)

if TYPE_CHECKING:
    from starec_sim.cli.evaluation_progress import EvaluationProgress
    from starec_sim.evaluation import Evaluation, Table
    from starec_sim.events import RunEvents


@dataclass(frozen=True)
class EvaluateOptions:
    """What `starec eval` takes."""

    policies: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="POLICY...",
            help="A policy's name, with settings after commas (openai,model=qwen3:8b), or a YAML "
            "file; without one, only baselines are evaluated.",
        ),
    ] = None
    data: Data = "synthetic"
    changes: DataChanges = None
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help="starec-20, agentcf-10, or a YAML file of your own."),
    ] = "starec-20"
    rows: Annotated[
        str,
        typer.Option(
            metavar="ROWS",
            help="Rows that ship: all, classical (baselines) or agents; or a YAML file.",
        ),
    ] = "all"
    users: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Evaluate at most so many users.")
    ] = None
    new_users: Annotated[
        bool,
        typer.Option("--new-users", help="Fit models on other users than the evaluated ones."),
    ] = False
    held_out: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Evaluate only users that this training never trained on."
        ),
    ] = None
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Draws users and candidates.")] = 0
    candidates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use the candidate lists of another evaluation: its candidates.jsonl.",
        ),
    ] = None
    against: Against = None
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="FOLDER", help="Also write the tables and the plot to this folder."
        ),
    ] = None
    concurrency: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", help="Visits in progress at once.")
    ] = 64
    budget: BudgetChanges = None
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start a new one, even if the same is unfinished.")
    ] = False
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False


@takes_options
def evaluate(options: EvaluateOptions) -> Answer:
    """Evaluate how well policies predict what users chose, beside baselines, with intervals.

    The agent first replays the last likes of each user and builds its memory. Then it ranks the
    held-out item among others. The same command resumes an evaluation that was killed or stopped.

    For example: starec eval lexical --data synthetic --users 200
    """
    from starec_sim import evaluation as evaluations

    evaluation = _evaluation(options)
    if options.into is not None:
        options.into.mkdir(parents=True, exist_ok=True)  # before anything is played
    return finish_evaluation(
        lambda events: evaluations.evaluate(
            evaluation, events, fresh=options.fresh, into=options.into
        ),
        options.against,
        options.into,
        options.as_json,
    )


def _evaluation(options: EvaluateOptions) -> Evaluation:
    from starec_sim.evaluation import Evaluation, read_policy, read_rows
    from starec_sim.holdout import read_protocol
    from starec_sim.settings import validate

    protocol = read_protocol(options.protocol).model_dump(mode="json")
    users: dict[str, Any] = protocol["users"]
    if options.users is not None:
        users["count"] = options.users
    if options.new_users:
        users["mode"] = "new"
    if options.held_out is not None:
        from starec_sim.runs.run_tables import read_run

        users["listed"] = read_run(options.held_out, options.runs_dir).held_out()
    values = {
        "name": f"eval-{protocol['name']}",
        "data": read_data(options.data, options.changes),
        "protocol": protocol,
        "policies": [read_policy(policy) for policy in options.policies or ()],
        "rows": read_rows(options.rows),
        "seed": options.seed,
        "candidates": options.candidates,
        "concurrency": options.concurrency,
        "runs_dir": options.runs_dir,
        "budget": budget_changes(options.budget),
        "against": options.against,
    }
    return validate(Evaluation, values, "")


def finish_evaluation(
    execute: Callable[[RunEvents], tuple[Path, Table]],
    against: str | None,
    into: Path | None,
    as_json: bool,
) -> Answer:
    """Run an evaluation with a live display, and print its table.

    Args:
        execute: Evaluates, and returns the folder and the table.
        against: The row that the others are compared with.
        into: A further folder in which the table was written.
        as_json: Whether to return the answer in place of printing it.
    """
    from starec_sim.cli.evaluation_progress import EvaluationProgress
    from starec_sim.cli.unfinished import errors_after, unfinished_errors
    from starec_sim.evaluation import TABLE_FILES

    progress = EvaluationProgress()
    with unfinished_errors(progress), progress:
        folder, table = execute(progress)
    with errors_after(folder):
        written = [(into or folder) / name for name in TABLE_FILES]
        return _show(folder, table, against, written, progress, as_json)


def _show(
    folder: Path,
    table: Table,
    against: str | None,
    written: Sequence[Path],
    progress: EvaluationProgress,
    as_json: bool,
) -> Answer:
    """Print the table of an evaluation and the files of it, or return it as an answer."""
    from starec_sim.cli.ledger_view import print_failures_of
    from starec_sim.cli.table_view import print_table, table_as_json
    from starec_sim.cli.text import suggested

    if as_json:
        return {**table_as_json(table, against), "run": str(folder), "status": "finished"}
    print_table(table, against)
    print_failures_of(folder)
    progress.message(f"\nwritten to {', '.join(map(str, written))}")
    here, first, last = (
        shlex.quote(text) for text in (str(folder), table.rows[0].name, table.rows[-1].name)
    )
    progress.message(
        suggested(
            [
                (f"table {here} --compare {first} {last}", "how two rows differ, in every metric"),
                (f"table {here} --format latex", "the table for a paper; also markdown, csv"),
                (f"eval ... --candidates {here}/candidates.jsonl", "another policy on these lists"),
            ]
        )
    )
    return None
