"""`starec show`: a run at a glance, or one person's life in it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import AsJson, Run, RunsDir

if TYPE_CHECKING:
    from rich.console import Console

    from starec_sim.runs.reader import Reader, RecordedTrial


def show(
    run: Run,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="The id of a person: show her life.")
    ] = None,
    arm: Annotated[
        str | None, typer.Option(metavar="ARM", help="With --user: the arm, else the first.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="With --user: the seed, else the first.")
    ] = None,
    round: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --user: only this round, from 1.")
    ] = None,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="With --user: every prompt and answer in full.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each metric means.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Show a run, or a person's life in it."""
    from starec_sim.errors import RunError
    from starec_sim.runs import folder
    from starec_sim.runs.reader import reading

    found = folder.find(run, runs_dir)
    if user is None and (prompts or any(given is not None for given in (arm, seed, round))):
        raise RunError(
            "--arm, --seed, --round and --prompts show a person, and none is named",
            hint="add --user ID; `starec show RUN` names some",
        )
    with reading(found) as reader:
        if user is None:
            return _show_run(found, reader, explain, as_json)
        return _show_user(reader, reader.trial(arm, seed), user, round, prompts, as_json)


def _show_run(found: Path, reader: Reader, explain: bool, as_json: bool) -> dict[str, Any] | None:
    from starec_sim import experiment as experiments
    from starec_sim.cli.ledger_view import print_ledger
    from starec_sim.cli.tables import console, print_report
    from starec_sim.cli.text import clean, program
    from starec_sim.report import summarise
    from starec_sim.runs.ledger import read_ledger
    from starec_sim.runs.manifest import read_manifest

    manifest = read_manifest(found)
    experiment = experiments.recorded(found)
    report = summarise(found, experiment.report.last_rounds, experiment.report.metrics)
    ledger = read_ledger(reader.db)
    trials = reader.trials()
    if as_json:
        done = [{**trial._asdict(), "of": experiment.rounds} for trial in trials]
        books = {"ledger": ledger.as_json()}
        return {
            "run": str(found),
            **manifest.as_json(),
            "trials": done,
            **books,
            **report.as_json(),
        }
    out = console()
    out.print(f"{clean(found.name)}: {manifest.status}", style="bold")
    if manifest.problem:
        out.print(clean(manifest.problem), style="red")
    _print_trials(out, trials, experiment.rounds)
    print_report(report, explain)
    print_ledger(ledger)
    here = shlex.quote(str(found))
    if trials and (busiest := reader.busiest(trials[0], 3)):
        out.print("\nWho thought most:\n")
        for user, steps, slow in busiest:
            out.print(
                f"    {program()} show {here} --user {shlex.quote(clean(user))}",
                end="",
                soft_wrap=True,
            )
            out.print(f"   {steps} steps, {slow} slow", style="dim", soft_wrap=True)
    if manifest.status in ("interrupted", "paused", "failed"):
        out.print("\nGo on with\n")
        options = clean(f" {manifest.go_on}" if manifest.go_on else "")
        out.print(f"    {program()} resume {here}{options}", soft_wrap=True)
    return None


def _print_trials(out: Console, trials: list[RecordedTrial], rounds: int) -> None:
    """Print how far each trial is, and what the environment said of itself, once if it can."""
    from starec_sim.cli.text import clean

    width = max((len(trial.arm) for trial in trials), default=0)
    before = ""
    for trial in trials:
        facts = " · ".join(_facts(trial.facts))
        if facts != before:
            out.print(f"  {clean(facts)}", style="dim")
        before = facts
        arm = clean(trial.arm)
        out.print(f"  {arm:<{width}}  seed {trial.seed}  {trial.rounds} of {rounds} rounds")


def _facts(facts: dict[str, Any]) -> list[str]:
    """Return what an environment said of itself in words; nothing of what there is nothing of."""
    words = []
    for name, value in facts.items():
        if isinstance(value, dict):
            if inner := _facts(value):
                words.append(f"{name}: {', '.join(inner)}")
        elif value not in (0, None, "", [], ()):
            words.append(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}")
    return words


def _show_user(
    reader: Reader,
    trial: RecordedTrial,
    user_id: str,
    round: int | None,
    prompts: bool,
    as_json: bool,
) -> dict[str, Any] | None:
    from starec_sim.cli.trace_view import life_as_json, print_life
    from starec_sim.errors import RunError

    row, user = reader.user(trial, user_id)
    life = list(reader.steps(trial, row))
    steps = [step for step in life if round in (None, step.round + 1)]
    if round is not None and not steps:
        visited = ", ".join(str(n + 1) for n in sorted({step.round for step in life})) or "none yet"
        raise RunError(
            f"{user_id} did not visit in round {round}; the rounds of her visits: {visited}",
            hint="pass one of those to --round",
        )
    rows = [item for step in steps for item in step.observation.slate]
    rows += [e.item for step in steps for e in step.feedback.experiences]
    items = reader.items(trial, rows)
    if as_json:
        return life_as_json(user, trial, steps, items)
    before = [step.summary for step in life if step.round < steps[0].round] if steps else []
    print_life(user, trial, steps, items, prompts, before[-1] if before else "")
    return None
