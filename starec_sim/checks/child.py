"""What another process does: it reads an origin from stdin, and writes a journal to stdout."""

from __future__ import annotations

import json
import sys

from starec_sim.boundary import watched_calls
from starec_sim.checks.find import from_origin
from starec_sim.checks.kinds import caller_of


def main() -> None:
    """Build the plug-in of a `CheckTarget.origin`, call it, and write what it returned."""
    origin = json.load(sys.stdin)
    sys.path[:] = origin.pop("path")
    stdout, sys.stdout = sys.stdout, sys.stderr
    target = from_origin(origin)
    with watched_calls():
        _, journal = caller_of(target.kind)(target)
    json.dump([[list(place), text] for place, text in journal.items()], stdout)
