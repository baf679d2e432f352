"""`starec show`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starec_sim.cli.options import Answer, AsJson, RunArgument, RunsDir, takes_options

if TYPE_CHECKING:
    from starec_sim.runs.reader import Reader


@dataclass(frozen=True)
class ShowOptions:
    """What `starec show` takes."""

    run: RunArgument
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="The id of a user: show her visits.")
    ] = None
    arm: Annotated[
        str | None, typer.Option(metavar="ARM", help="With --user: the arm, else the first.")
    ] = None
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="With --user: the seed, else the first.")
    ] = None
    round: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --user: only this round, from 1.")
    ] = None
    prompts: Annotated[
        bool, typer.Option("--prompts", help="With --user: every prompt and answer in full.")
    ] = False
    explain: Annotated[bool, typer.Option("--explain", help="Say what each metric means.")] = False
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False


@takes_options
def show(options: ShowOptions) -> Answer:
    """Show a run, evaluation, audit or training, or the visits of one user in it."""
    from starec_sim.cli.run_view import print_run, read_view
    from starec_sim.errors import RunError
    from starec_sim.runs import folder
    from starec_sim.runs.manifest import read_manifest
    from starec_sim.runs.reader import reading

    run = folder.find(options.run, options.runs_dir)
    of_user = (options.arm, options.seed, options.round)
    if options.user is None and (options.prompts or any(given is not None for given in of_user)):
        raise RunError(
            "--arm, --seed, --round and --prompts show one user, and none is named",
            hint="add --user ID; `starec show RUN` names some",
        )
    with reading(run) as reader:
        if options.user is not None:
            return _show_user(reader, options.user, options)
        kind = read_manifest(run).kind
        if kind == "audit":
            from starec_sim.cli.audit_view import show_audit

            return show_audit(run, reader, options.as_json)
        if kind == "training":
            from starec_sim.cli.training_view import show_training

            return show_training(run, reader, options.explain, options.as_json)
        view = read_view(run, reader)
    if options.as_json:
        return view.as_json()
    print_run(view, options.explain)
    return None


def _show_user(reader: Reader, user_id: str, options: ShowOptions) -> Answer:
    """Show all steps of a user, or those of one round."""
    from starec_sim.cli.trace_json import trace_as_json
    from starec_sim.cli.trace_view import print_trace
    from starec_sim.errors import RunError
    from starec_sim.runs.attempts import own_turns
    from starec_sim.traces.edited_memory import summaries_before

    reader.require("decisions", "`starec show --user`")
    trial = reader.trial(options.arm, options.seed)
    row, user = reader.user(trial, user_id)
    trace = [step._replace(turns=own_turns(step.turns)) for step in reader.steps(trial, row)]
    memory = summaries_before(reader, trial, user_id, trace)
    steps, before = trace, memory
    if options.round is not None:
        chosen = [n for n, step in enumerate(trace) if step.round + 1 == options.round]
        steps, before = [trace[n] for n in chosen], [memory[n] for n in chosen]
    if options.round is not None and not steps:
        rounds = ", ".join(str(n + 1) for n in sorted({s.round for s in trace})) or "none yet"
        raise RunError(
            f"{user_id} did not visit in round {options.round}; the rounds of her visits: {rounds}",
            hint="pass one of those to --round",
        )
    rows = [item for step in steps for item in step.observation.slate]
    rows += [e.item for step in steps for e in step.feedback.experiences]
    items = reader.items(trial, rows)
    if options.as_json:
        return trace_as_json(user, trial, steps, items, before)
    print_trace(user, trial, steps, items, options.prompts, before)
    return None
