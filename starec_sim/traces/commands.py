"""The commands that show a step, as a user types them."""

from __future__ import annotations

import shlex
from pathlib import Path

from starec_sim.traces.values import StepAddress


def why_command(folder: Path, at: StepAddress) -> str:
    """Return the command that shows a step in full.

    >>> why_command(Path("runs/a"), StepAddress("base", 3, "u 1", 2, 1))
    "starec why runs/a 'u 1' 2 --step 1 --arm base --seed 3"
    """
    parts = ["starec", "why", str(folder), at.user, str(at.round), "--step", str(at.step)]
    return shlex.join([*parts, "--arm", at.arm, "--seed", str(at.seed)])
