"""`starec serve env`."""

from __future__ import annotations

import contextlib
import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    Changes,
    ExperimentFile,
    OtherData,
    RunsDir,
    Trust,
    read_experiment,
    takes_options,
)

_NAMES = {"rewards": "--reward", "changes": "--set"}
"""The names of options whose fields are called otherwise."""


@dataclass(frozen=True)
class ServeEnvOptions:
    """What `starec serve env` takes."""

    experiment: ExperimentFile
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="Plays the users in place of the experiment's policies: lexical, or e.g. "
            "local,model=PATH; or a YAML file.",
        ),
    ] = None
    rewards: Annotated[
        list[str] | None,
        typer.Option(
            "--reward",
            metavar="NAME=WEIGHT",
            help="A component of the reward with its weight; by default engagement=0.5 and "
            "satisfaction=0.5.",
        ),
    ] = None
    candidates: Annotated[
        int,
        typer.Option(min=1, max=10_000, metavar="N", help="Items that an observation offers."),
    ] = 50
    audit: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="An audit of the policy, whose verdict the metadata carries."
        ),
    ] = None
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write openenv.yaml there, and serve nothing."),
    ] = None
    sessions: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", help="Connections at once.")
    ] = 64
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Of this machine; 0 takes a free one."),
    ] = 8000
    changes: Changes = None
    data: OtherData = None
    trust: Trust = False
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False


@takes_options
def serve_env(options: ServeEnvOptions) -> Answer:
    """Serve a simulated user over OpenEnv's protocol, for this machine only, until Ctrl-C.

    The outside agent is the recommender. For example: starec serve env experiments/02_feedback_loop
    --set arms={} --data synthetic
    """
    from starec_sim.interop.openenv_episode import DEFAULT_WEIGHTS, UserSource
    from starec_sim.interop.openenv_manifest import metadata, read_verdict, write_manifest
    from starec_sim.interop.openenv_server import UserServer
    from starec_sim.runs import folder as run_folder
    from starec_sim.serving.server import serve

    experiment = _experiment(options)
    folder = None if options.audit is None else run_folder.find(options.audit, options.runs_dir)
    verdict = None if folder is None else read_verdict(folder, experiment)
    source = UserSource(experiment, _weights(options.rewards, DEFAULT_WEIGHTS), options.candidates)
    if options.manifest is not None:
        path = write_manifest(options.manifest, source, verdict, _command(options))
        if not options.as_json:
            print(path)
        return {"status": "written", "manifest": str(path)} if options.as_json else None
    _need_websockets()
    server = UserServer(source, metadata(source, verdict), options.sessions)
    where: list[str] = []

    def ready(url: str) -> None:
        where.append(url)
        print(url, file=sys.stderr if options.as_json else sys.stdout, flush=True)
        print(
            f"\nAsk it with OpenEnv's client: GenericEnvClient(base_url={url!r})\nCtrl-C ends it.",
            file=sys.stderr,
            flush=True,
        )

    # Ctrl-C ends the server both before and after it handles signals itself.
    with contextlib.suppress(KeyboardInterrupt):
        serve(server, options.port, ready, path="")
    print(f"\nStopped after {server.steps:,} slates.", file=sys.stderr)
    about = {"url": where[0] if where else None, "slates": server.steps}
    return {"status": "stopped", **about} if options.as_json else None


def _command(options: ServeEnvOptions) -> str:
    """Return the command that serves what the options say, from the present folder."""
    parts = ["starec", "serve", "env", str(options.experiment)]
    for field in fields(options)[1:]:
        value = getattr(options, field.name)
        if value == field.default or field.name in ("manifest", "as_json"):
            continue
        name = _NAMES.get(field.name, f"--{field.name.replace('_', '-')}")
        if value is True:
            parts.append(name)
        else:
            for each in value if isinstance(value, list) else [value]:
                parts += [name, str(each)]
    return shlex.join(parts)


def _need_websockets() -> None:
    from importlib.util import find_spec

    from starec_sim.errors import ConfigError

    if find_spec("websockets") is None:
        raise ConfigError(
            "episodes go over WebSocket, and the package websockets is not installed",
            hint="pip install 'starec-sim[openenv]'",
        )


def _experiment(options: ServeEnvOptions) -> Any:
    from starec_sim.evaluation.contenders import read_policy

    loaded = read_experiment(options.experiment, options.changes, options.data, trust=options.trust)
    if options.policy is None:
        return loaded
    spec = read_policy(options.policy)
    policies = loaded.policies.model_copy(update={"fast": spec, "slow": spec})
    return loaded.model_copy(update={"policies": policies})


def _weights(given: list[str] | None, default: dict[str, float]) -> dict[str, float]:
    """Return the weights of `--reward`.

    Raises:
        ConfigError: One is not in the form NAME=WEIGHT.
    """
    from starec_sim.errors import ConfigError

    weights = {}
    for text in given or ():
        name, _, number = text.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            raise ConfigError(
                f"--reward {text}: it must be NAME=WEIGHT, with a number for WEIGHT",
                hint="e.g. --reward satisfaction=1",
            ) from None
    return weights or default
