"""Store the estimate of a configuration in the folder of runs, and read it for the next run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.regular_file import read_bytes
from starec_sim.runs.stored_values import Number, StoredType

FOLDER = "estimates"
_IRRELEVANT = ("runs_dir", "report", "gateway", "budget", "train")
"""Keys of an experiment that do not change its calls."""
_ESTIMATE = StoredType[dict[str, Any]]("estimate", dict[str, int | Number | list[str] | None])


def write(configuration: Mapping[str, Any], runs_dir: Path, estimate: Mapping[str, Any]) -> None:
    """Store the estimate of a configuration in `runs_dir`, in place of an older one."""
    (runs_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    write_atomically(_path(configuration, runs_dir), json.dumps(estimate, indent=2) + "\n")


def read(configuration: Mapping[str, Any], runs_dir: Path) -> dict[str, Any] | None:
    """Return the latest estimate of a configuration; None if there is none, or it is damaged."""
    with suppress(OSError, ValueError):
        return _ESTIMATE.from_json(read_bytes(_path(configuration, runs_dir)))
    return None


def _path(configuration: Mapping[str, Any], runs_dir: Path) -> Path:
    relevant = {key: value for key, value in configuration.items() if key not in _IRRELEVANT}
    name = hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]
    return runs_dir / FOLDER / f"{name}.json"
