"""`starec doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson

if TYPE_CHECKING:
    from starec_sim.policies.openai.doctor import EndpointCheck


def doctor(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="A policy `openai` with its settings, `openai,model=NAME,base_url=URL`, or a YAML "
            "file.",
        ),
    ],
    as_json: AsJson = False,
) -> Answer:
    """Ask an endpoint ten short questions, and say which settings of the policy fit it.

    For example: starec doctor openai,model=qwen3:8b,base_url=http://localhost:11434/v1
    """
    from starec_sim.build import build_policy
    from starec_sim.errors import ConfigError
    from starec_sim.evaluation.contenders import read_policy
    from starec_sim.executors.event_loop import run_coroutine
    from starec_sim.policies.openai import OpenAIPolicy
    from starec_sim.policies.openai.doctor import CHECKS, advised, examine

    spec = read_policy(policy)
    model = build_policy(spec, "policy").model
    if not isinstance(model, OpenAIPolicy):
        raise ConfigError(
            f'starec doctor asks endpoints; the policy "{spec["use"]}" is no endpoint',
            hint="give one, e.g. openai,model=NAME,base_url=http://localhost:8000/v1; "
            "`starec audit` says what the answers of any policy are worth",
        )
    out = sys.stderr if as_json else sys.stdout
    print(f"{CHECKS} questions to {model.model} at {model.url}", file=out, flush=True)

    async def ask() -> list[EndpointCheck]:
        checks = []
        async for check in examine(model):
            checks.append(check)
            _print(check, as_json)
        return checks

    checks = run_coroutine(ask())
    fitting = advised(checks, spec)
    if as_json:
        rows = [check._asdict() for check in checks]
        return {"url": model.url, "model": model.model, "checks": rows, "policy": fitting}
    _print_advice(fitting, fitting == {**spec})
    return None


def _print(check: EndpointCheck, to_stderr: bool) -> None:
    from rich.text import Text

    from starec_sim.cli.visible_console import console

    style = {"yes": "green", "no": "red", "unclear": "yellow"}[check.outcome]
    line = Text(f"  {check.name:<22}") + Text(f"{check.outcome:<9}", style)
    out = console(stderr=to_stderr)
    out.print(line + Text(check.said), soft_wrap=True)
    out.file.flush()  # also into a pipe: an answer may take a minute


def _print_advice(policy: dict[str, Any], unchanged: bool) -> None:
    import yaml

    # A copy, because PyYAML writes one object that stands twice as a reference.
    policies = {"fast": policy, "slow": {**policy}}
    text = yaml.safe_dump({"policies": policies}, sort_keys=False, allow_unicode=True)
    said = "The settings fit as they are" if unchanged else "Write into the configuration"
    print(f"\n{said}:\n\n{text}", end="")
