"""`starec eval`, `starec table` and `starec check-table`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Allowed, AsJson, RunsDir
from starec_sim.cli.run import allowance, data_spec, unfinished_told

if TYPE_CHECKING:
    from starec_sim.evaluation import Table

Against = Annotated[
    str | None,
    typer.Option("--against", metavar="ROW", help="Compare with this row; else the first agent."),
]
FORMATS = ("markdown", "csv", "latex")


def evaluate(
    policies: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="POLICY...",
            help="A policy's name, with settings after commas (openai,model=qwen3:8b), or a YAML "
            "file; none for the classical rows alone.",
        ),
    ] = None,
    data: Annotated[
        str, typer.Option(metavar="DATA", help="A folder or file, or the name of a dataset.")
    ] = "synthetic",
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help="starec-20, agentcf-10, or a YAML file of your own."),
    ] = "starec-20",
    rows: Annotated[
        str,
        typer.Option(
            metavar="ROWS", help="all, classical or agents of the rows that ship; or a YAML file."
        ),
    ] = "all",
    users: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Evaluate at most so many users.")
    ] = None,
    new_users: Annotated[
        bool,
        typer.Option("--new-users", help="Fit models on other users than the evaluated ones."),
    ] = False,
    held_out: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Evaluate only users that this training never trained on."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Draws users and candidates.")] = 0,
    candidates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Use these lists: the candidates.jsonl of another evaluation."
        ),
    ] = None,
    against: Against = None,
    out: Annotated[
        Path | None,
        typer.Option("--into", metavar="FOLDER", help="Write the tables and the plot here too."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", help="Visits in flight.")
    ] = 64,
    budget: Allowed = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, even if the same was begun before.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Evaluate policies: how good are they at being these users, against whom, how surely.

    Each user's last likes are lived through first, so that the agent builds its memory; then the
    held-out item is ranked among others. Killed or stopped, the same command goes on.

    For example: starec eval lexical --data synthetic --users 200
    """
    from starec_sim.evaluation import Evaluation, read_policy, read_rows
    from starec_sim.holdout import read_protocol
    from starec_sim.settings import validate

    asked = read_protocol(protocol).model_dump(mode="json")
    asked["users"] |= {"count": users} if users is not None else {}
    asked["users"] |= {"mode": "new"} if new_users else {}
    if held_out is not None:
        from starec_sim.learning.checkpoints import read_held_out
        from starec_sim.runs import folder as run_folder

        asked["users"] |= {"listed": read_held_out(run_folder.find(held_out, runs_dir))}
    values = {
        "name": f"eval-{asked['name']}",
        "data": data_spec(data),
        "protocol": asked,
        "policies": [read_policy(policy) for policy in policies or ()],
        "rows": read_rows(rows),
        "seed": seed,
        "candidates": candidates,
        "concurrency": concurrency,
        "runs_dir": runs_dir,
        "budget": dict(map(allowance, budget or ())),
    }
    return finish(validate(Evaluation, values, ""), None, fresh, against, out, as_json)


def finish(
    evaluation: Any,
    folder: Path | None,
    fresh: bool,
    against: str | None,
    out: Path | None,
    as_json: bool,
    concurrency: int | None = None,
    budget: Mapping[str, float | None] | None = None,
) -> dict[str, Any] | None:
    """Begin an evaluation, or go on with the one in a folder, and show what came of it."""
    from starec_sim import evaluation as evaluations

    display = following()
    with unfinished_told(display), display:
        if folder is None:
            folder, table = evaluations.evaluate(evaluation, display, fresh=fresh)
        else:
            table = evaluations.resume(folder, display, concurrency=concurrency, budget=budget)
    written = write(table, folder, against, out)
    if as_json:
        return {**answer(table, against), "run": str(folder), "status": "finished"}
    print_table(table, against)
    from starec_sim.cli.text import suggested

    here = shlex.quote(str(folder))
    display.message(f"\nwritten to {', '.join(str(path) for path in written)}")
    commands = (
        (
            f"table {here} --compare {shlex.quote(table.rows[0].name)} "
            f"{shlex.quote(table.rows[-1].name)}",
            "how two rows differ, in every metric",
        ),
        (f"table {here} --format latex", "the table for a paper; also markdown, csv"),
        (f"eval ... --candidates {here}/candidates.jsonl", "another policy on the same lists"),
    )
    display.message(suggested(commands))
    return None


def following() -> Any:
    """Return a display that follows an evaluation: its run, and a line for each classical row."""
    from starec_sim.cli.run_progress import RunProgress

    class Following(RunProgress):
        """Follows the classical rows as well."""

        waiting = done = 0

        def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
            if metrics:  # agents that do not replay come for the exam alone
                super().round_finished(round, metrics)
            else:
                self._progress.advance(self._task, 1)

        def baselines_started(self, count: int) -> None:
            self.waiting = count

        def baseline_finished(self, name: str, seconds: float) -> None:
            self.done += 1
            self.message(f"{name}: {seconds:.1f} s ({self.done} of {self.waiting})")

    return Following()


def write(table: Table, folder: Path, against: str | None, out: Path | None) -> list[Path]:
    """Write the table in all forms into a folder, and perhaps into another one."""
    from starec_sim.evaluation import render
    from starec_sim.evaluation.plot import plot_table

    texts = {
        "table.md": render.markdown(table, against),
        "table.csv": render.comma_separated(table),
        "table.tex": render.latex(table),
    }
    for place in [folder] + ([out] if out is not None else []):
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (place / name).write_text(text, "utf-8")
        plot_table(table, place / "table.png")
    shown = out or folder
    return [shown / name for name in (*texts, "table.png")]


def table(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Evaluations of one exam; `latest`.")
    ],
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", metavar="ROW ROW", help="How two rows differ."),
    ] = None,
    against: Against = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="markdown, csv or latex.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Show the table of an evaluation, or of several on the same lists."""
    from starec_sim.errors import ConfigError, did_you_mean
    from starec_sim.evaluation import merge_tables, read_table, render
    from starec_sim.runs import folder

    if form is not None and form not in FORMATS:
        raise ConfigError(
            f'there is no format "{form}"; {did_you_mean(form, FORMATS)}', hint="or pass --json"
        )
    found = merge_tables([read_table(folder.find(run, runs_dir)) for run in runs])
    if compare is not None:
        differences = found.compare(*compare)
        if as_json:
            return {
                "rows": list(compare),
                "differences": {name: d.as_json() for name, d in differences.items()},
            }
        print_differences(compare, differences)
        return None
    if as_json:
        return answer(found, against)
    if form is None:
        print_table(found, against)
    else:
        texts = {
            "markdown": lambda: render.markdown(found, against),
            "csv": lambda: render.comma_separated(found),
            "latex": lambda: render.latex(found),
        }
        print(texts[form](), end="")
    return None


def check_table(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="JSON, CSV, Markdown, LaTeX or YAML; `paper` for STARec's."
        ),
    ],
    candidates: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Places of a ranking, where the file does not say."),
    ] = None,
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Find rows of a table that no ranking of one answer could have produced.

    For example: starec check-table paper
    """
    from starec_sim.cli.tables import console
    from starec_sim.evaluation.plausibility import impossible_rows, read_tables, shipped_tables

    tables = shipped_tables() if str(file) == "paper" else read_tables(file, candidates)
    findings = [
        {"table": name, **found._asdict()}
        for name, rows in tables.items()
        for found in impossible_rows(rows)
    ]
    count = sum(map(len, tables.values()))
    if as_json:
        status = "failed" if findings else "finished"
        return {"rows": count, "impossible": findings, "status": status}
    out = console()
    for finding in findings:
        where = f"{finding['table']}, {finding['row']}"
        out.print(f"{where}: impossible; {finding['problem']}", style="red")
    out.print(f"{count - len(findings)} of {count} rows are possible")
    if findings:
        raise typer.Exit(2)
    return None


def answer(table: Table, against: str | None) -> dict[str, Any]:
    """Return a table as JSON values, with its differences and the impossible rows."""
    return {
        **table.as_json(),
        "against": against or table.reference,
        "differences": {name: d.as_json() for name, d in table.against(against).items()},
        "impossible": [finding._asdict() for finding in table.impossible_rows()],
    }


def print_table(table: Table, against: str | None) -> None:
    """Print a table: figures, differences, and what was counted and spent."""
    from rich.text import Text

    from starec_sim.cli.tables import console, grid
    from starec_sim.cli.text import clean
    from starec_sim.evaluation import render

    out = console()
    reference = against or table.reference
    if len(table.rows) > 1:
        table.row(reference)  # refused before half of the answer is printed
    names = [clean(row.name) for row in table.rows]
    metrics = render.shown_metrics(table)
    gain = [name for name in metrics if name.startswith("ndcg")]
    for block in (gain, [name for name in metrics if name not in gain]):
        lines = grid()
        lines.add_row("", *(Text(render.title(name), "bold") for name in block))
        for name, row in zip(names, table.rows, strict=True):
            cells = []
            for metric in block:
                mean, _, half = render.figure(row.metrics[metric], "|").partition("|")
                half = f" ±{half}" if half else ""
                cells.append(Text.assemble((mean.rjust(5), "bold"), (half, "dim")))
            lines.add_row(name, *cells)
        out.print()
        out.print(lines)
    if len(table.rows) > 1:
        out.print(f"\n{render.title(table.headline)} against {clean(reference)}, the same users\n")
        lines = grid()
        for name, found in table.against(against).items():
            word = ("higher" if found.interval.mean > 0 else "lower") if found.sure else "unsure"
            style = "dim" if not found.sure else ("green" if word == "higher" else "red")
            lines.add_row(
                clean(name),
                Text(render.difference(found), style),
                f"p {render.chance(found.p)}",
                word,
            )
        out.print(lines)
    notes = [(row.name, render.spent(row), render.flawed(row)) for row in table.rows]
    if any(cost or flaw for _, cost, flaw in notes):
        out.print("\nA ranking takes / counted\n")
        lines = grid()
        for name, cost, flaw in notes:
            if cost or flaw:
                lines.add_row(clean(name), cost, Text(flaw, "dim"))
        out.print(lines)
    out.print(f"\n{render.caption(table)}", style="dim")
    for name, why in table.about["left out"].items():
        out.print(f"left out: {clean(name)}, which {why}", style="yellow")
    for name in table.unfinished:
        out.print(f"not there yet: {clean(name)}", style="yellow")
    for finding in table.impossible_rows():
        out.print(f"impossible: {finding.row}; {finding.problem}", style="bold red")


def print_differences(rows: tuple[str, str], differences: Any) -> None:
    """Print how two rows differ in every metric."""
    from starec_sim.cli.tables import console, grid
    from starec_sim.evaluation import render

    out, lines = console(), grid()
    out.print(f"\n{rows[0]} minus {rows[1]}, times 100, 95 % interval over the same users\n")
    for name, found in differences.items():
        word = "" if found.sure else "unsure"
        lines.add_row(
            render.title(name), render.difference(found), f"p {render.chance(found.p)}", word
        )
    out.print(lines)
