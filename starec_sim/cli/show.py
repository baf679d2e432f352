"""`starec show`: a run round by round, or one person's life in it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.run import AsJson, RunsDir

if TYPE_CHECKING:
    from starec_sim.runs.reader import Reader, Trial


def show(
    run: Annotated[
        str, typer.Argument(help="A run's folder, its name or the start of it; `latest`.")
    ],
    user: Annotated[str | None, typer.Option(help="The id of a person: show her life.")] = None,
    arm: Annotated[str | None, typer.Option(help="The arm; the first one by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed; the first one by default.")] = None,
    round: Annotated[
        int | None, typer.Option(min=1, help="With --user: only this round, from 1.")
    ] = None,
    prompts: Annotated[bool, typer.Option(help="With --user: every prompt in full.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show a run, or with --user one person's visits, thoughts and memories."""
    from starec_sim.runs import folder
    from starec_sim.runs.reader import Reader

    found = folder.find(run, runs_dir)
    with closing(Reader(found)) as reader:
        if user is None:
            _show_run(found, reader, as_json)
        else:
            trial = reader.trial(arm, seed)
            _show_user(reader, trial, user, None if round is None else round - 1, prompts, as_json)


def _show_run(found: Path, reader: Reader, as_json: bool) -> None:
    import yaml
    from rich.console import Console

    from starec_sim.cli.tables import clean, print_json, print_report
    from starec_sim.experiment import Experiment
    from starec_sim.report import summarise
    from starec_sim.runs import folder
    from starec_sim.validation import validate

    manifest = folder.read(found)
    values = yaml.safe_load((found / folder.CONFIG).read_text("utf-8"))
    experiment = validate(Experiment, values, "")
    report = summarise(found, experiment.report.last_rounds, experiment.report.metrics)
    trials = reader.trials()
    if as_json:
        done = [{**trial._asdict(), "of": experiment.rounds} for trial in trials]
        print_json({"run": str(found), **manifest, "trials": done, **report.as_json()})
        return
    console = Console(highlight=False, markup=False)
    console.print(f"{found.name}: {manifest['status']}", style="bold")
    if manifest.get("problem"):
        console.print(clean(manifest["problem"]), style="red")
    for trial in trials:
        console.print(
            f"  {trial.arm}, seed {trial.seed}: {trial.rounds} of {experiment.rounds} rounds"
        )
        facts = ", ".join(f"{name} {value}" for name, value in trial.facts.items())
        console.print(f"    {clean(facts)}", style="dim")
    print_report(report)
    if trials:
        console.print("\nWho thought most:")
        for user, steps, slow in reader.busiest(trials[0], 3):
            console.print(
                f"    starec show {found} --user {clean(user)}    {steps} steps, {slow} slow"
            )
    if manifest["status"] in ("interrupted", "paused", "failed"):
        console.print(f"\nGo on with\n\n    starec resume {found}")


def _show_user(
    reader: Reader, trial: Trial, user_id: str, round: int | None, prompts: bool, as_json: bool
) -> None:
    from starec_sim.cli.life import life_as_json, print_life
    from starec_sim.cli.tables import print_json

    row, user = reader.user(trial, user_id)
    steps = list(reader.steps(trial, row, round))
    rows = [item for step in steps for item in step.observation.slate]
    rows += [e.item for step in steps for e in step.feedback.experiences]
    items = reader.items(trial, rows)
    if as_json:
        value: dict[str, Any] = life_as_json(user, trial, steps, items)
        print_json(value)
    else:
        print_life(user, trial, steps, items, prompts)
