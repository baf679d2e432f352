"""Build and call a plug-in in another process, with another seed of hashes.

The order of a set of texts, `hash()`, the clock and what was imported before differ there; results
must not. The other process runs `starec_sim.checks.child`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from starec_sim.checks.target import DRAW, CallPlace, CheckTarget, Journal, compare
from starec_sim.errors import ContractError

Called = Callable[[CheckTarget], tuple[Any, Journal]]
"""Calls a plug-in; returns it and what it returned."""

_SAME = "go through a set in order, sorted(names), and use neither hash() nor the clock"
_LONGEST_S = 300
_HASH_SEED = "7"


def same_in_other_process(target: CheckTarget, called: Called) -> str:
    """Compare what a plug-in returns here with what it returns in another process."""
    if target.origin is None:
        return "left out: another process cannot import it"
    plugin, expected = called(target)
    how = f"in another process with PYTHONHASHSEED={_HASH_SEED}"
    compare(target, plugin, expected, _journal(target.origin), how, f"{DRAW[target.kind]}; {_SAME}")
    return ""


def _journal(origin: Any) -> Journal:
    told = json.dumps({"path": sys.path, **origin})
    name = origin.get("suite") or origin.get("use")
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from starec_sim.checks.child import main; main()"],
            input=told,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            env={**os.environ, "PYTHONHASHSEED": _HASH_SEED},
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise ContractError(
            f"{name} did not end within {_LONGEST_S} s in another process: {_last_line(late)}",
            hint="look for what it waits for there: input, a lock, or a file that this process "
            "holds; if it is only slow, check it with smaller settings or data",
        ) from None
    if done.returncode:
        raise ContractError(
            f"{name} cannot be built in another process: {_last_line(done)}",
            hint="let it depend on its settings only, and import what it needs itself",
        )
    return {CallPlace(*place): text for place, text in json.loads(done.stdout)}


def _last_line(ended: subprocess.CompletedProcess[str] | subprocess.TimeoutExpired) -> str:
    """Return the last thing that a process said: an error, or a call that has been running."""
    said = ended.stderr or ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return (text.strip().splitlines() or ["no message"])[-1]
