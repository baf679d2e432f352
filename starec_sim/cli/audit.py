"""`starec audit`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import AsJson

if TYPE_CHECKING:
    from starec_sim.evaluation.audits import AuditReport

_STYLES = {"holds": "green", "unsure": "yellow", "fails": "bold red"}


def audit(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY", help="lexical, or e.g. openai,model=qwen3:8b; or a YAML file."
        ),
    ],
    data: Annotated[
        str, typer.Option(metavar="DATA", help="A folder or file, or the name of a dataset.")
    ] = "synthetic",
    users: Annotated[
        int, typer.Option(min=2, metavar="N", help="How many users are questioned.")
    ] = 100,
    only: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Audits to make, e.g. position,leak.")
    ] = None,
    bounds: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Bounds of one's own, in place of those that ship."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose lists are asked about, or a YAML file: by default agentcf-10 where the "
            "data ships candidates, else starec-20.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Draws users and lists.")] = 0,
    concurrency: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", help="Questions in flight.")
    ] = 64,
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where pages and answers are kept.")
    ] = Path("audits"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Ask whether a policy is fit to simulate people with: ten audits on one page.

    For example: starec audit lexical --data movielens-100k

    An audit that was stopped goes on where it was when the same command is given again.
    """
    from starec_sim.cli.progress_bars import bars
    from starec_sim.cli.run import data_spec
    from starec_sim.evaluation import audits
    from starec_sim.evaluation.audits.page import page
    from starec_sim.evaluation.contenders import label, read_policy
    from starec_sim.holdout import read_protocol
    from starec_sim.runs.atomic_file import write_atomically
    from starec_sim.settings import validate

    spec = read_policy(policy)
    name = "".join(c if c.isalnum() or c in "-._" else "-" for c in label(spec))
    values: dict[str, Any] = {
        "policy": spec,
        "data": data_spec(data),
        "protocol": read_protocol(protocol) if protocol is not None else None,
        "users": users,
        "bounds": audits.read_bounds(bounds),
        "seed": seed,
        "concurrency": concurrency,
        "cache": into / "answers.sqlite",
    }
    if only is not None:
        values["only"] = tuple(part.strip() for part in only.split(",") if part.strip())
    try:
        with bars():
            report = audits.audit(validate(audits.AuditSettings, values, ""))
    except KeyboardInterrupt:
        print(
            f"\nStopped. What was answered is kept in {values['cache']}; the same command "
            "goes on from there.",
            file=sys.stderr,
        )
        raise
    into.mkdir(parents=True, exist_ok=True)
    # Whatever was asked for otherwise is another page.
    asked = [str(report.about["dataset"]), f"{users}users", *values.get("only", ()), f"seed{seed}"]
    stem = "-".join([name, *asked])
    html, found = into / f"{stem}.html", into / f"{stem}.json"
    answer = {**report.as_json(), "page": str(html)}
    write_atomically(html, page(report))
    write_atomically(found, json.dumps(answer, indent=1, allow_nan=True) + "\n")
    if as_json:
        return answer
    _print(report, html)
    return None


def _print(report: AuditReport, html: Path) -> None:
    from rich.text import Text

    from starec_sim.cli.tables import console, grid, number

    out, table, left_out = console(), grid(), []
    for result in report.results:
        if result.unmeasured:
            left_out.append(result)
        for place, check in enumerate(result.checks):
            interval = result.figures[check.figure].interval
            table.add_row(
                result.title if place == 0 else "",
                check.figure,
                Text(number(interval.mean), "bold"),
                Text(f"{number(interval.low)} to {number(interval.high)}", "dim"),
                Text(check.outcome, _STYLES[check.outcome]),
                Text(check.bound.short, "dim"),
            )
    out.print()
    out.print(table)
    for result in left_out:
        out.print(f"{result.title} was not measured: {result.unmeasured}.", style="yellow")
    out.print(f"\n{report.verdict[0].upper()}{report.verdict[1:]}.")
    out.print(f"\nThe page, with plots and what others found: {html}")
