"""The command line. Data goes to stdout, everything else to stderr; every command has `--json`.

Each command imports what it needs when it runs, so that `starec --help` answers at once. With
`--json` a command returns its answer, which is printed here: one object, also when it fails, and
nothing that a plug-in prints gets between.
"""

from __future__ import annotations

import io
import json
import math
import os
import shlex
import sys
import traceback
from contextlib import nullcontext, redirect_stdout
from typing import Annotated, Any

import typer

from starec_sim.cli.audit import audit
from starec_sim.cli.check_table import check_table
from starec_sim.cli.data import data
from starec_sim.cli.estimate import estimate
from starec_sim.cli.evaluate import evaluate
from starec_sim.cli.export import export
from starec_sim.cli.hints import hints_for_old_names
from starec_sim.cli.list_plugins import list_plugins
from starec_sim.cli.run import replay, resume, run
from starec_sim.cli.runs import runs
from starec_sim.cli.serve import serve
from starec_sim.cli.show import show
from starec_sim.cli.table import table
from starec_sim.cli.text import clean
from starec_sim.cli.train import train
from starec_sim.cli.unfinished import UnfinishedError
from starec_sim.errors import PausedError, StarecError

_STOPPED = {"status": "paused", "error": "stopped by the user", "hint": ""}

app = typer.Typer(
    name="starec",
    help="A laboratory of simulated people in front of a recommender.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Add --debug to any command to see where an error comes from.",
)
app.command()(run)
app.command()(train)
app.command()(resume)
app.command()(replay)
app.command()(estimate)
app.command()(runs)
app.command()(show)
app.command()(export)
app.command("eval")(evaluate)
app.command()(table)
app.command("check-table")(check_table)
app.command()(audit)
app.command()(serve)
app.command("plugins")(list_plugins)
app.add_typer(data, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("starec-sim"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that need no command."""


def main() -> None:
    """Run the command line and exit.

    Exit status: 0 done, 2 the user can mend it, 3 the run paused itself (its budget is spent, or
    nobody answers), 130 stopped by the user, 1 a defect of ours.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character is no reason to fail.
            stream.reconfigure(errors="replace")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug, as_json = "--debug" in sys.argv[1:], "--json" in arguments
    status, answer = 0, None
    try:
        with hints_for_old_names(), redirect_stdout(sys.stderr) if as_json else nullcontext():
            answer = app(arguments or ["--help"], prog_name="starec", standalone_mode=False)
        if isinstance(answer, int):  # typer makes a status of an interrupt, and of --help
            status, answer = answer, _STOPPED if answer else None
        elif answer and answer.get("status") == "failed":
            status = 2
    except Exception as error:
        if debug:
            traceback.print_exc()
        status, answer = _failure(error)
        if status != 130:
            print(f"error: {answer['error']}", file=sys.stderr)
            if answer["hint"]:
                print(f"\nhint: {answer['hint']}", file=sys.stderr)
        if isinstance(error, UnfinishedError):
            error.say_how_to_go_on()
    try:
        if as_json and answer is not None:
            print(json.dumps(_finite(answer)))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain when it flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _failure(error: BaseException) -> tuple[int, dict[str, Any]]:
    """Return the exit status of an error, and what is said of it."""
    status, message, hint = 1, "", ""
    if isinstance(error, UnfinishedError):
        status, answer = _failure(error.cause)
        if status == 130 and error.run is not None:
            answer = answer | {"hint": f"starec resume {shlex.quote(error.run)}"}
        return status, answer | {"run": error.run}
    if isinstance(error, PausedError):
        paused = {"status": "paused", "reason": error.reason, "options": error.options}
        return 3, paused | {"error": clean(error.message), "hint": clean(error.hint)}
    if isinstance(error, StarecError):
        status, message, hint = 2, error.message, error.hint
    elif isinstance(error, KeyboardInterrupt):
        return 130, _STOPPED
    elif told := getattr(error, "format_message", None):
        # Typer's own; each version keeps the class elsewhere.
        context = getattr(error, "ctx", None)
        status, message = 2, told()
        hint = f"{context.command_path if context else 'starec'} --help"
    elif isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        status, message = 2, f"{where}{error.strerror}"
        hint = "check that it is there, that you may use it, and that the disk has room"
    else:
        message = f"unexpected {type(error).__name__}: {error}"
        hint = "run it again with --debug for the traceback"
    return status, {"status": "failed", "error": clean(message), "hint": clean(hint)}


def _finite(value: Any) -> Any:
    """Return JSON values in which null stands for NaN and infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
