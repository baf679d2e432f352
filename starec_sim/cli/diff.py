"""`starec diff`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starec_sim.cli.options import Answer, AsJson, AsMarkdown, RunArgument, RunsDir, takes_options

if TYPE_CHECKING:
    from starec_sim.traces.compare import Comparison


@dataclass(frozen=True)
class DiffOptions:
    """What `starec diff` takes."""

    run: RunArgument
    other: Annotated[
        str | None, typer.Argument(metavar="RUN_B", help="The second run; else the same run.")
    ] = None
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Compare the steps of this user one by one.")
    ] = None
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="The arm of the first run.")] = None
    arm_b: Annotated[
        str | None, typer.Option("--arm-b", metavar="ARM", help="The arm of the second run.")
    ] = None
    version: Annotated[
        int | None, typer.Option(metavar="N", help="The first run: its validation after N steps.")
    ] = None
    version_b: Annotated[
        int | None,
        typer.Option("--version-b", metavar="N", help="The second run: the same."),
    ] = None
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False
    as_md: AsMarkdown = False


@takes_options
def diff(options: DiffOptions) -> Answer:
    """Compare two runs, two arms, or two versions of a training.

    For example: starec diff latest --arm loop --arm-b frozen
    """
    from starec_sim.errors import RunError
    from starec_sim.runs import folder
    from starec_sim.traces.compare import compare
    from starec_sim.traces.sides import Choice
    from starec_sim.traces.values import as_json

    for arm, version, ending in (
        (options.arm, options.version, ""),
        (options.arm_b, options.version_b, "-b"),
    ):
        if arm is not None and version is not None:
            raise RunError(
                f"--arm{ending} and --version{ending} both name a side",
                hint="leave one of them out",
            )
    a = folder.find(options.run, options.runs_dir)
    b = a if options.other is None else folder.find(options.other, options.runs_dir)
    if a == b and options.other is not None:
        typer.echo("note: both runs are the same one; two of its arms are compared", err=True)
    # An arm that is named once holds for both runs.
    arm_b = (
        options.arm_b if a == b or options.version_b is not None else options.arm_b or options.arm
    )
    found = compare(
        a,
        b,
        Choice(options.arm, options.version),
        Choice(arm_b, options.version_b),
        options.user,
    )
    if options.as_json:
        answer: dict[str, object] = as_json(found)
        return answer
    if options.as_md:
        from starec_sim.cli.diff_view import comparison_as_markdown

        print(comparison_as_markdown(found))
    else:
        _print(found)
    return None


def _print(found: Comparison) -> None:
    from starec_sim.cli.diff_view import print_comparison

    print_comparison(found)
