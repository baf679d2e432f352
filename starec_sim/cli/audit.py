"""`starec audit`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, Data, takes_options

if TYPE_CHECKING:
    from starec_sim.evaluation.audits import AuditReport, AuditSettings

_STYLES = {"holds": "green", "unsure": "yellow", "fails": "bold red"}


@dataclass(frozen=True)
class AuditOptions:
    """What `starec audit` takes."""

    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY", help="lexical, or e.g. openai,model=qwen3:8b; or a YAML file."
        ),
    ]
    data: Data = "synthetic"
    users: Annotated[
        int, typer.Option(min=2, metavar="N", help="How many users are questioned.")
    ] = 100
    only: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Audits to make, e.g. position,leak.")
    ] = None
    bounds: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Bounds of your own, in place of those that ship."),
    ] = None
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose lists are asked about, or a YAML file: by default agentcf-10 where the "
            "data ships candidates, else starec-20.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Draws users and lists.")] = 0
    concurrency: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", help="Questions in flight.")
    ] = 64
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where pages and answers are kept.")
    ] = Path("audits")
    as_json: AsJson = False


@takes_options
def audit(options: AuditOptions) -> Answer:
    """Ask whether a policy is fit to simulate people with: ten audits on one page.

    For example: starec audit lexical --data movielens-100k

    An audit that was stopped goes on where it was when the same command is given again.
    """
    from starec_sim.cli.progress_bars import bars
    from starec_sim.evaluation import audits

    settings = _settings(options)
    try:
        with bars():
            report = audits.audit(settings)
    except KeyboardInterrupt:
        print(
            f"\nStopped. What was answered is kept in {settings.cache}; the same command "
            "goes on from there.",
            file=sys.stderr,
        )
        raise
    page, answer = _write(report, settings, options)
    if options.as_json:
        return answer
    _print(report, page)
    return None


def _settings(options: AuditOptions) -> AuditSettings:
    from starec_sim.evaluation import audits
    from starec_sim.evaluation.contenders import read_policy
    from starec_sim.experiment import data_spec
    from starec_sim.holdout import read_protocol
    from starec_sim.settings import validate

    values: dict[str, Any] = {
        "policy": read_policy(options.policy),
        "data": data_spec(options.data),
        "protocol": read_protocol(options.protocol) if options.protocol is not None else None,
        "users": options.users,
        "bounds": audits.read_bounds(options.bounds),
        "seed": options.seed,
        "concurrency": options.concurrency,
        "cache": options.into / "answers.sqlite",
    }
    if options.only is not None:
        values["only"] = tuple(name.strip() for name in options.only.split(",") if name.strip())
    return validate(audits.AuditSettings, values, "")


def _write(
    report: AuditReport, settings: AuditSettings, options: AuditOptions
) -> tuple[Path, dict[str, Any]]:
    """Write the page and the answer as JSON, and return the page's file and the answer.

    The names of the files hold policy, dataset, users, audits and seed, so that other audits get
    other files.
    """
    from starec_sim.evaluation.audits.page import render_page
    from starec_sim.evaluation.contenders import label
    from starec_sim.runs.atomic_file import write_atomically

    policy = "".join(c if c.isalnum() or c in "-._" else "-" for c in label(settings.policy))
    only = settings.only if options.only is not None else ()
    asked = (str(report.about["dataset"]), f"{settings.users}users", *only, f"seed{settings.seed}")
    stem = "-".join([policy, *asked])
    html = options.into / f"{stem}.html"
    answer = {**report.as_json(), "page": str(html)}
    options.into.mkdir(parents=True, exist_ok=True)
    write_atomically(html, render_page(report))
    write_atomically(
        options.into / f"{stem}.json", json.dumps(answer, indent=1, allow_nan=True) + "\n"
    )
    return html, answer


def _print(report: AuditReport, html: Path) -> None:
    from rich.text import Text

    from starec_sim.cli.tables import console, grid, number

    out, table, left_out = console(), grid(), []
    for result in report.results:
        if result.unmeasured:
            left_out.append(result)
        for place, check in enumerate(result.checks):
            interval = result.metrics[check.metric].interval
            table.add_row(
                result.title if place == 0 else "",
                check.metric,
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
