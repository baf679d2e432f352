"""The command line. Data goes to stdout, everything else to stderr; every command has `--json`.

Each command imports what it needs when it runs, so that `starec --help` answers at once.
"""

from __future__ import annotations

import json
import sys

import typer

from starec_sim.cli.data import data
from starec_sim.cli.list_plugins import list_plugins
from starec_sim.cli.run import resume, run
from starec_sim.cli.runs import runs
from starec_sim.cli.show import show
from starec_sim.errors import StarecError

app = typer.Typer(
    name="starec",
    help="A laboratory of simulated people in front of a recommender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Add --debug to any command to see where an error comes from.",
)
app.command()(run)
app.command()(resume)
app.command()(runs)
app.command()(show)
app.command("plugins")(list_plugins)
app.add_typer(data, name="data")


def main() -> None:
    """Run the command line and exit.

    Exit status: 0 done, 2 the user can mend it, 130 stopped by the user, 1 a defect of ours.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    status = 0
    try:
        app(arguments, standalone_mode=True)
    except StarecError as error:
        if debug:
            raise
        status = _fail(2, error.message, error.hint, arguments)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain again while it closes stdout.
        sys.stderr.close()
        status = 141
    except KeyboardInterrupt:
        status = 130
    except Exception as error:
        if debug:
            raise
        message = f"unexpected {type(error).__name__}: {error}"
        status = _fail(1, message, "run it again with --debug for the traceback", arguments)
    sys.exit(status)


def _fail(status: int, message: str, hint: str, arguments: list[str]) -> int:
    if "--json" in arguments:
        print(json.dumps({"status": "failed", "error": message, "hint": hint}))
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"\nhint: {hint}", file=sys.stderr)
    return status
