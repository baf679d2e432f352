"""How many rounds of a run are played, and the configuration that says how many are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim import yaml_files
from starec_sim.runs.folder import CONFIG, configuration
from starec_sim.runs.manifest import Manifest
from starec_sim.runs.reader import RecordedTrial


class PlayedRounds(NamedTuple):
    """Rounds of all trials together; a trial is one arm with one seed."""

    done: int
    """Rounds that are committed."""
    wanted: int | None
    """Rounds of a finished run; None where the configuration names none."""
    trials: int
    """Of a finished run; where the configuration names no rounds, those that have begun."""


def read_configuration(folder: Path, manifest: Manifest) -> Mapping[str, Any]:
    """Return the configuration of a run; empty if it has none.

    Raises:
        RunError: It cannot be read.
        ConfigError: It is no YAML.
    """
    if not manifest.config_sha256:
        return {}
    return yaml_files.parse(configuration(folder), str(folder / CONFIG))


def played_rounds(
    manifest: Manifest, config: Mapping[str, Any], trials: Sequence[RecordedTrial]
) -> PlayedRounds:
    """Return how far a run is. Trials play one after the other, so later ones may not have begun.

    Args:
        manifest: Of the run.
        config: Of the run.
        trials: Those that have begun.
    """
    done = sum(trial.rounds for trial in trials)
    rounds = config.get("rounds")
    if manifest.kind != "run" or not isinstance(rounds, int):
        return PlayedRounds(done, None, len(trials))
    planned = len(manifest.arms) * len(manifest.seeds)
    return PlayedRounds(done, planned * rounds, planned)
