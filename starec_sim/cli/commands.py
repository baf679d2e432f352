"""All commands of the command line.

Only the module of the command that is asked for is imported; a list of commands needs all of them.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Annotated

import typer

_COMMANDS = {
    "run": "run.run",
    "train": "train.train",
    "resume": "resume.resume",
    "replay": "replay.replay",
    "fork": "fork.fork",
    "sweep": "sweep.sweep",
    "estimate": "estimate.estimate",
    "runs": "runs.runs",
    "compact": "compact.compact",
    "show": "show.show",
    "why": "why.why",
    "view": "view.view",
    "diff": "diff.diff",
    "search": "search.search",
    "sql": "sql.sql",
    "scan": "scan.scan",
    "interview": "interview.interview",
    "plot": "plot.plot",
    "export": "export.export",
    "eval": "evaluate.evaluate",
    "table": "table.table",
    "check-table": "check_table.check_table",
    "audit": "audit.audit",
    "doctor": "doctor.doctor",
    "serve": "serve.serve",
    "serve env": "serve_env.serve_env",
    "graph": "graph.graph",
    "plugins": "list_plugins.list_plugins",
    "new": "new.new",
    "check": "check.check",
}
"""Module and function in this package, by the name of the command, in the order of the help."""
TWO_WORDS = tuple(name for name in _COMMANDS if " " in name)
"""Commands whose first word is a command too, so that it cannot be a group."""
_DATA_COMMANDS = {"get": "data_get.get", "describe": "data_describe.describe"}


def app_with(command: str | None = None) -> typer.Typer:
    """Return the command line with one command, or with all.

    Args:
        command: The name of the one command; all are in it if this is None or no command.
    """
    app = typer.Typer(
        name="starec",
        help="Simulate users in front of a recommender, and train the policy that plays them.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Add --debug to any command to see where an error comes from.",
    )
    app.callback()(_options)
    for name in [command] if command in _COMMANDS else _COMMANDS:
        _add(app, name, _COMMANDS[name])
    if command not in _COMMANDS:
        data = typer.Typer(help="Get and look at datasets.")
        for name, place in _DATA_COMMANDS.items():
            _add(data, name, place)
        app.add_typer(data, name="data")
    return app


def _add(app: typer.Typer, name: str, place: str) -> None:
    module, function = place.split(".")
    command = getattr(import_module(f"starec_sim.cli.{module}"), function)
    # Without it, the list of commands cuts a long sentence.
    first = (inspect.getdoc(command) or "").partition("\n\n")[0]
    app.command(name, short_help=" ".join(first.split()))(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("starec-sim"))
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that need no command."""
