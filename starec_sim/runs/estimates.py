"""What a run was expected to take, kept beside the runs until one is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from starec_sim.runs.atomic_file import write_atomically

FOLDER = "estimates"
_IRRELEVANT = ("runs_dir", "report", "gateway", "budget", "train")
"""Keys of an experiment that leave its calls as they are."""


def keep(configuration: Mapping[str, Any], runs_dir: Path, estimate: Mapping[str, Any]) -> None:
    """Keep the estimate of a configuration."""
    (runs_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    write_atomically(_place(configuration, runs_dir), json.dumps(estimate, indent=2) + "\n")


def found(configuration: Mapping[str, Any], runs_dir: Path) -> dict[str, Any] | None:
    """Return the latest estimate of a configuration, if one was made."""
    with suppress(OSError, ValueError):
        estimate = json.loads(_place(configuration, runs_dir).read_text("utf-8"))
        if isinstance(estimate, dict):
            return estimate
    return None


def _place(configuration: Mapping[str, Any], runs_dir: Path) -> Path:
    told = {key: value for key, value in configuration.items() if key not in _IRRELEVANT}
    name = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return runs_dir / FOLDER / f"{name}.json"
