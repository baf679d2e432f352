"""All commands of the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from starec_sim.cli.audit import audit
from starec_sim.cli.check import check
from starec_sim.cli.check_table import check_table
from starec_sim.cli.data_describe import describe
from starec_sim.cli.data_get import get
from starec_sim.cli.diff import diff
from starec_sim.cli.estimate import estimate
from starec_sim.cli.evaluate import evaluate
from starec_sim.cli.export import export
from starec_sim.cli.graph import graph
from starec_sim.cli.list_plugins import list_plugins
from starec_sim.cli.new import new
from starec_sim.cli.plot import plot
from starec_sim.cli.replay import replay
from starec_sim.cli.resume import resume
from starec_sim.cli.run import run
from starec_sim.cli.runs import runs
from starec_sim.cli.scan import scan
from starec_sim.cli.search import search
from starec_sim.cli.serve import serve
from starec_sim.cli.show import show
from starec_sim.cli.sql import sql
from starec_sim.cli.table import table
from starec_sim.cli.train import train
from starec_sim.cli.view import view
from starec_sim.cli.why import why

app = typer.Typer(
    name="starec",
    help="Simulate users in front of a recommender, and train the policy that plays them.",
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
app.command()(why)
app.command()(view)
app.command()(diff)
app.command()(search)
app.command()(sql)
app.command()(scan)
app.command()(plot)
app.command()(export)
app.command("eval")(evaluate)
app.command()(table)
app.command("check-table")(check_table)
app.command()(audit)
app.command()(serve)
app.command()(graph)
app.command("plugins")(list_plugins)
app.command()(new)
app.command()(check)

data = typer.Typer(help="Get and look at datasets.")
data.command()(get)
data.command()(describe)
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
