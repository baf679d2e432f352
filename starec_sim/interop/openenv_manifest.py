"""What a served user says of itself: its metadata, with the verdict of an audit, and a manifest."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from starec_sim.errors import ConfigError
from starec_sim.evaluation.audits.folder import read_report, read_settings
from starec_sim.experiment import Experiment
from starec_sim.interop.openenv_episode import REFUSED, UserSource
from starec_sim.runs.atomic_file import write_atomically

MANIFEST = "openenv.yaml"
_NOT_AUDITED = "The policy that plays the user was not audited: pass --audit RUN to say that it was"


def read_verdict(folder: Path, experiment: Experiment) -> dict[str, Any]:
    """Return the verdict of a finished audit.

    Args:
        folder: Of the audit.
        experiment: Its users are to be played by the policy and the agent that were audited.

    Raises:
        ConfigError: They are played by others.
        RunError: The folder holds no finished audit.
    """
    audited = read_settings(folder)
    report = read_report(folder)
    for what, of_audit, served in (
        ("policy", audited.policy, experiment.policies.fast),
        ("agent", audited.agent, experiment.agent),
    ):
        if _plain(of_audit) != _plain(served):
            raise ConfigError(
                f"the audit in {folder} is of the {what} {json.dumps(_plain(of_audit))}, and the "
                f"users are played by {json.dumps(_plain(served))}",
                hint=f"serve what was audited, or audit it: starec audit {served['use']}",
            )
    return {
        "fit": report.fit,
        "verdict": report.verdict,
        "failures": report.failures,
        "doubts": report.doubts,
        "unmeasured": report.unmeasured,
        "not_audited": report.not_audited,
    }


def metadata(source: UserSource, verdict: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what `/metadata` answers, in the keys of OpenEnv's `EnvironmentMetadata`.

    Args:
        source: What episodes are made from.
        verdict: Of an audit; None if there is none.
    """
    experiment = source.experiment
    task = f"{len(source.user_ids):,} simulated users, {source.n_items:,} items"
    described = (
        f"A simulated user in front of a recommender, which is the agent. {task}, an episode of "
        f"{experiment.rounds} rounds."
    )
    audit = _NOT_AUDITED if verdict is None else f"Audit: {verdict['verdict']}"
    return {
        "name": f"starec-{experiment.name}",
        "description": f"{described} {audit}.",
        "version": version("starec-sim"),
        "readme_content": "\n".join(
            [
                f"# {experiment.name}",
                described,
                f"Reward of a slate: {_formula(source.weights)}, as means over the pages that she "
                f"looked at; {REFUSED:g} for a slate that is refused.",
                f"{audit}.",
                *_findings(verdict),
            ]
        ),
    }


def write_manifest(
    folder: Path, source: UserSource, verdict: Mapping[str, Any] | None, command: str
) -> Path:
    """Write `openenv.yaml` to a folder and return its path.

    Args:
        folder: Is made if it is not there.
        source: What episodes are made from.
        verdict: Of an audit; None if there is none.
        command: Starts the server.

    Raises:
        ConfigError: The range of the reward is not known, so none can be declared.
    """
    about = metadata(source, verdict)
    unknown = set(source.weights) - {"engagement", "satisfaction"}
    if unknown:
        raise ConfigError(
            f"a manifest declares the range of the reward, and that of {', '.join(sorted(unknown))}"
            " is not known",
            hint="write the manifest with --reward engagement=W and --reward satisfaction=W",
        )
    manifest = {
        "spec_version": 1,
        "name": about["name"],
        "version": about["version"],
        "description": about["description"],
        "type": "server",
        "protocol": "openenv_ws",
        "command": command,
        "validation": {
            "reward": {"range": _range(source.weights), "floor_margin": 0.1},
            "resources": {
                "cpu": 1.0,
                "memory_mb": 4096,
                "disk_mb": 1024,
                "episode_timeout_s": 3600.0,
            },
            # What it may connect to, which is not where it listens: a policy may ask an endpoint.
            "network": {"mode": "public"},
            "task_distribution": {
                "generator_seed": source.experiment.seed,
                "dataset_version": json.dumps(source.experiment.data, sort_keys=True),
            },
            "capabilities": {"verifier": {"kind": "reward_channel"}},
            "types": {"tags": ["starec:recommendation"]},
        },
        "starec": {
            "python": platform.python_version(),
            "policy": _plain(source.experiment.policies.fast),
            "audit": dict(verdict) if verdict is not None else None,
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    write_atomically(path, yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
    return path


def _range(weights: Mapping[str, float]) -> list[float]:
    """Return the least and the greatest reward. Engagement is 0 to 1, satisfaction -1 to 1."""
    engaged, satisfied = weights.get("engagement", 0.0), weights.get("satisfaction", 0.0)
    lowest, highest = min(engaged, 0.0) - abs(satisfied), max(engaged, 0.0) + abs(satisfied)
    return [min(lowest, REFUSED), highest]


def _formula(weights: Mapping[str, float]) -> str:
    return " + ".join(f"{weight:g} x {name}" for name, weight in weights.items())


def _findings(verdict: Mapping[str, Any] | None) -> list[str]:
    keys = ("failures", "doubts", "unmeasured")
    return [f"- {line}" for key in keys for line in (verdict or {}).get(key, ())]


def _plain(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec without what a policy costs and how it is limited."""
    return {key: value for key, value in spec.items() if key not in ("price", "limits")}
