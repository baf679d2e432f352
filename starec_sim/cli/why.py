"""`starec why`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, AsMarkdown, RunArgument, RunsDir, takes_options

if TYPE_CHECKING:
    from starec_sim.runs.reader import Reader
    from starec_sim.traces.training_view import Group
    from starec_sim.traces.values import GroupPlace


@dataclass(frozen=True)
class WhyOptions:
    """What `starec why` takes."""

    run: RunArgument
    user: Annotated[str, typer.Argument(metavar="USER", help="The id of a user.")]
    round: Annotated[int, typer.Argument(metavar="ROUND", min=1, help="A round, from 1.")]
    step: Annotated[
        int, typer.Option(min=1, metavar="N", help="The step within the visit, from 1.")
    ] = 1
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="The arm, else the first.")] = None
    seed: Annotated[int | None, typer.Option(metavar="N", help="The seed, else the first.")] = None
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Print every prompt and answer in full.")
    ] = False
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False
    as_md: AsMarkdown = False


@takes_options
def why(options: WhyOptions) -> Answer:
    """Show why a user did what she did in one step: memory, slate, thought, reward.

    In a training, also the group of answers that was learned from: advantages, or pairs of DPO.

    For example: starec why latest u3 2 --step 1
    """
    from starec_sim.runs import folder
    from starec_sim.runs.reader import reading
    from starec_sim.traces.step_page import read_step

    run = folder.find(options.run, options.runs_dir)
    with reading(run) as reader:
        trial = reader.trial(options.arm, options.seed)
        page = read_step(reader, trial, options.user, options.round, options.step)
        places = [place for place in (page.group, page.summary_group) if place is not None]
        groups = _groups(reader, places)
    if options.as_json:
        from starec_sim.traces.values import as_json

        answer: dict[str, Any] = as_json(page)
        return {**answer, "groups": as_json(groups)}
    if options.as_md:
        from starec_sim.cli.why_markdown import step_as_markdown

        print(step_as_markdown(run, page, groups, options.prompts))
    else:
        from starec_sim.cli.why_view import print_why

        print_why(run, page, groups, options.prompts)
    return None


def _groups(reader: Reader, places: Sequence[GroupPlace]) -> list[Group]:
    if not places:
        return []
    from starec_sim.traces.training_view import read_group

    return [read_group(reader.path.parent, reader, place.step, place.group) for place in places]
