"""`starec audit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    BudgetChanges,
    Data,
    DataChanges,
    RunsDir,
    budget_changes,
    read_data,
    takes_options,
)

if TYPE_CHECKING:
    from starec_sim.evaluation.audits import AuditSettings


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
    changes: DataChanges = None
    users: Annotated[
        int, typer.Option(min=2, metavar="N", help="How many users it asks about.")
    ] = 100
    only: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Make only these audits, e.g. position,leak."),
    ] = None
    bounds: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own bounds, in place of those that ship."),
    ] = None
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The protocol that draws the candidate lists, or a YAML file; by default "
            "agentcf-10 "
            "where the data ships candidates, else starec-20.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Draws users and lists.")] = 0
    concurrency: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", help="Questions in progress at once.")
    ] = 64
    budget: BudgetChanges = None
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also write the page to this folder, and keep the answers there: later "
            "audits with "
            "this folder use them again.",
        ),
    ] = None
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start a new one, even if the same is unfinished.")
    ] = False
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False


@takes_options
def audit(options: AuditOptions) -> Answer:
    """Audit whether a policy is fit to simulate users with: twelve audits on one page.

    For example: starec audit lexical --data movielens-100k

    The same command resumes an audit that was killed or stopped.
    """
    from starec_sim.cli.audit_result import finish_audit
    from starec_sim.evaluation import audits
    from starec_sim.evaluation.audits.folder import further_page

    settings, into = _settings(options), options.into
    if into is not None:
        into.mkdir(parents=True, exist_ok=True)  # before anything is asked
    return finish_audit(
        lambda events: audits.audit(settings, events, fresh=options.fresh, into=into),
        None if into is None else lambda report: further_page(report, settings, into),
        options.as_json,
    )


def _settings(options: AuditOptions) -> AuditSettings:
    from starec_sim.evaluation import audits
    from starec_sim.evaluation.audits.folder import file_name
    from starec_sim.evaluation.contenders import read_policy
    from starec_sim.holdout import read_protocol
    from starec_sim.settings import validate

    policy = read_policy(options.policy)
    name = file_name(policy)
    values: dict[str, Any] = {
        "name": f"audit-{name.encode('ascii', 'replace').decode().replace('?', '-')}",
        "policy": policy,
        "data": read_data(options.data, options.changes),
        "protocol": read_protocol(options.protocol) if options.protocol is not None else None,
        "users": options.users,
        "bounds": audits.read_bounds(options.bounds),
        "seed": options.seed,
        "concurrency": options.concurrency,
        "budget": budget_changes(options.budget),
        "cache": None if options.into is None else options.into / "answers.sqlite",
        "runs_dir": options.runs_dir,
    }
    if options.only is not None:
        values["only"] = tuple(name.strip() for name in options.only.split(",") if name.strip())
    return validate(audits.AuditSettings, values, "")
