"""`starec serve`."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from starec_sim.cli.options import Answer, AsJson


def serve(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="A policy with its settings, `local,model=PATH,adapter=PATH`, or a YAML file.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What clients call the model; by default the policy's own name."
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Of this machine; 0 takes a free one."),
    ] = 8000,
    as_json: AsJson = False,
) -> Answer:
    """Offer a policy at an OpenAI-compatible endpoint, for this machine only, until Ctrl-C.

    For example: starec serve local,model=Qwen/Qwen3-0.6B

    `starec serve env` serves a simulated user to those who train a recommender.
    """
    from starec_sim.build import build_policy
    from starec_sim.evaluation.contenders import label, read_policy
    from starec_sim.serving.endpoint import Endpoint
    from starec_sim.serving.server import serve as serve_on

    spec = read_policy(policy)
    model = build_policy(spec, "policy").model
    endpoint = Endpoint(name or label(spec), model)
    where: list[str] = []

    def ready(url: str) -> None:
        where.append(url)
        print(url, file=sys.stderr if as_json else sys.stdout, flush=True)
        how = f'{{use: openai, model: "{endpoint.name}", base_url: "{url}", token_ids: true}}'
        print(f"\nAsk it with the policy {how}\nCtrl-C ends it.", file=sys.stderr, flush=True)

    # Ctrl-C ends the server both before and after it handles signals itself.
    with contextlib.suppress(KeyboardInterrupt):
        serve_on(endpoint, port, ready)
    print(f"\nStopped after {endpoint.answered:,} answers.", file=sys.stderr)
    about = {"url": where[0] if where else None, "answered": endpoint.answered}
    return {"status": "stopped", "model": endpoint.name, **about} if as_json else None
