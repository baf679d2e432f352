"""Print how a fork differs from the run that it was forked from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starec_sim.cli.diff_view import print_first, print_metrics
from starec_sim.cli.visible_console import console
from starec_sim.visible_text import counted

if TYPE_CHECKING:
    from starec_sim.traces.compare import Comparison


def print_effects(effects: Mapping[str, Comparison]) -> None:
    """Print the effect in each arm."""
    out = console()
    for arm, found in effects.items():
        title = f"Arm {arm}: A is {found.a.name}, B is this fork"
        out.print(f"\n{title}", style="bold", soft_wrap=True)
        if not found.last_rounds:
            out.print(
                f"  {found.a.name} has {counted(found.rounds, 'round')}, and none after those that "
                "the fork keeps: there is nothing to compare.",
                soft_wrap=True,
            )
            continue
        print_first(out, found)
        print_metrics(out, found)
