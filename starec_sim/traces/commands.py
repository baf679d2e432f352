"""The commands that show a step, as a user types them."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

from starec_sim.traces.values import StepAddress


def why_command(folder: Path, at: StepAddress) -> str:
    """Return the command that shows a step in full.

    >>> why_command(Path("runs/a"), StepAddress("base", 3, "u 1", 2, 1))
    "starec why runs/a 'u 1' 2 --step 1 --arm base --seed 3"
    """
    parts = ["starec", "why", str(folder), at.user, str(at.round), "--step", str(at.step)]
    return shlex.join([*parts, "--arm", at.arm, "--seed", str(at.seed)])


def turn_command(folder: Path, at: StepAddress, column: str, node: str, attempt: int) -> str:
    """Return the command that prints a column of one call of a step.

    >>> print(turn_command(Path("a"), StepAddress("base", 3, "u1", 2, 1), "answer", "fast", 101))
    starec sql a "select answer from turns where arm = 'base' and seed = 3 and user = 'u1' \
and round = 2 and step = 1 and node = 'fast' and attempt = 101" --json
    """
    values = {**asdict(at), "node": node, "attempt": attempt}
    where = " and ".join(f"{name} = {_sql(value)}" for name, value in values.items())
    query = f"select {column} from turns where {where}"
    special = any(sign in query for sign in '"$`\\!')
    asked = (
        shlex.quote(query) if special else f'"{query}"'
    )  # readable, for SQL has quotes of its own
    return f"starec sql {shlex.quote(str(folder))} {asked} --json"


def _sql(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
