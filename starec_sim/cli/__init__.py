"""The command line. Data goes to stdout, everything else to stderr; every command has `--json`.

Each command imports what it needs when it runs, so that `starec --help` is fast. With
`--json` a command returns its answer, and `main` prints it: one JSON object on stdout, also when
the command fails. Output of plug-ins then goes to stderr.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import traceback
from contextlib import nullcontext, redirect_stdout
from typing import Any

from starec_sim.cli.commands import app
from starec_sim.cli.failures import STOPPED, USER, failure_of, stopped
from starec_sim.cli.hints import hints_for_old_names
from starec_sim.cli.unfinished import UnfinishedError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line and exit.

    Exit status: 0 finished, 2 an error that the user can correct, 3 the run paused itself (its
    budget is spent, or no endpoint answers), 130 stopped by the user, 1 a defect of this program.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Replace characters that the terminal cannot show.
            stream.reconfigure(errors="replace")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    as_json = "--json" in arguments
    try:
        with hints_for_old_names(), redirect_stdout(sys.stderr) if as_json else nullcontext():
            status, answer = _run(arguments or ["--help"])
    except Exception as error:
        if "--debug" in sys.argv[1:]:
            traceback.print_exc()
        status, answer = failure_of(error)
        if status != STOPPED:
            print(f"error: {answer['error']}", file=sys.stderr)
            if answer["hint"]:
                print(f"\nhint: {answer['hint']}", file=sys.stderr)
        if isinstance(error, UnfinishedError) and error.how_to_resume:
            print(error.how_to_resume, file=sys.stderr)
    try:
        if as_json and answer is not None:
            print(json.dumps(_finite(answer)))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of stdout has closed it; without this, Python prints an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _run(arguments: list[str]) -> tuple[int, dict[str, Any] | None]:
    """Run a command and return its exit status and its answer, if it has one."""
    answer = app(arguments, prog_name="starec", standalone_mode=False)
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
