"""The command line. Data goes to stdout, everything else to stderr; every command has `--json`.

Only the module of the command that is asked for is imported, and it imports what it needs when it
runs, so that commands start fast. With `--json` a command returns its answer, and `main` prints it:
one JSON object on stdout, also when the command fails. Output of plug-ins then goes to stderr.
"""

from __future__ import annotations

import gc
import io
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from functools import cache
from typing import Any

from typer.main import get_command

from starec_sim.cli.commands import TWO_WORDS, app_with
from starec_sim.cli.failures import STOPPED, USER, failure_of, stopped
from starec_sim.cli.hints import warnings_as_lines
from starec_sim.cli.output import OutputError, Stderr, Stdout
from starec_sim.cli.unfinished import UnfinishedError, how_to_show
from starec_sim.errors import ConfigError
from starec_sim.visible_text import has_control_characters, visible_line

__all__ = ["app_with", "main"]


def main() -> None:
    """Run the command line and exit.

    Exit status: 0 finished, 2 an error that the user can correct, 3 the run paused itself (its
    budget is spent, or no endpoint answers), 130 stopped by the user, 1 a defect of this program.
    """
    # For the whole command: what it imports stays, and looking for garbage in it takes 5 % of a
    # short command.
    gc.set_threshold(100_000, 20, 20)
    if sys.stderr is None:  # closed: the command runs without it
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the life of the process
    if sys.stdout is None:
        print("error: stdout is closed\n\nhint: > /dev/null drops the output", file=sys.stderr)
        sys.exit(USER)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Replace characters that the terminal cannot show.
            stream.reconfigure(errors="replace")
    with redirect_stdout(Stdout(sys.stdout)), redirect_stderr(Stderr(sys.stderr)):
        status = _main([argument for argument in sys.argv[1:] if argument != "--debug"])
    sys.exit(status)


def _main(arguments: list[str]) -> int:
    """Run a command, print its answer or its error, and return the exit status."""
    as_json = "--json" in arguments
    try:
        with warnings_as_lines(), redirect_stdout(sys.stderr) if as_json else nullcontext():
            _check_arguments(arguments)
            status, answer = _run(arguments or ["--help"])
    except Exception as error:
        status, answer = _report(error)
    try:
        if as_json and answer is not None:
            print(json.dumps(_finite(answer)).replace("\x7f", "\\u007f"))
        sys.stdout.flush()
    except OutputError as error:
        lost, _ = _report(error)
        status = status or lost
        if answer is not None and answer.get("run") and answer.get("status") == "finished":
            print(how_to_show(answer["run"]), file=sys.stderr)
    return status


def _check_arguments(arguments: Sequence[str]) -> None:
    """Refuse line breaks in names of files and runs: what is printed about them is read by line.

    Raises:
        ConfigError: An argument has one.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        is_yaml = before == "--set" or argument.startswith("--set=")
        if not is_yaml and has_control_characters(argument):
            raise ConfigError(
                f'the argument "{visible_line(argument)}" has a line break or another control '
                "character",
                hint="rename the file or folder, or correct the argument",
            )


def _report(error: Exception) -> tuple[int, dict[str, Any]]:
    """Print an error, and return the exit status and the answer of `--json`."""
    if "--debug" in sys.argv[1:]:
        traceback.print_exc()
    status, answer = failure_of(error)
    if status != STOPPED:
        print(f"error: {answer['error']}", file=sys.stderr)
        if answer["hint"]:
            print(f"\nhint: {answer['hint']}", file=sys.stderr)
    if isinstance(error, UnfinishedError) and error.how_to_resume:
        print(error.how_to_resume, file=sys.stderr)
    return status, answer


@cache
def _command(first: str) -> Callable[..., Any]:
    """Return what Typer builds of the command with this name; of all of them it takes 25 ms."""
    return get_command(app_with(first))


def _run(arguments: list[str]) -> tuple[int, dict[str, Any] | None]:
    """Run a command and return its exit status and its answer, if it has one."""
    words = " ".join(arguments[:2])
    if words in TWO_WORDS:
        arguments = [words, *arguments[2:]]
    answer = _command(arguments[0])(arguments, prog_name="starec", standalone_mode=False)
    if isinstance(answer, int):  # Typer returns a status for an interrupt and for --help
        return answer, stopped().answer if answer else None
    failed = answer is not None and answer.get("status") == "failed"
    return USER if failed else 0, answer


def _finite(value: Any) -> Any:
    """Return JSON values with null in place of NaN and infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
