"""The environment that plays a hold-out: its name and its settings.

Evaluation needs such an environment and may not import one. So an environment that plays hold-outs
is registered under one name in two groups of entry points, `starec_sim.environments` and
`starec_sim.holdout`, and its `Config` is a subclass of `HoldOutSettings`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from starec_sim import plugins
from starec_sim.errors import ContractError, PluginError
from starec_sim.holdout.protocol import EvaluationProtocol
from starec_sim.settings import Settings


class HoldOutSettings(Settings):
    """Settings that every environment has that plays a hold-out."""

    protocol: EvaluationProtocol = EvaluationProtocol()
    replay: int | None = Field(default=None, ge=0)
    """Number of choices that are replayed before the user ranks, at most `history` of the protocol,
    which is the default. Earlier interactions are in the memory from the start."""
    memory: Literal["own", "swapped"] = "own"
    """`swapped`: each user replays the log of another user and then ranks her own candidate lists.
    This control shows the effect of memory."""
    candidates: Path | None = None
    """A file of candidate lists; they are drawn from the seed when empty."""
    candidates_sha256: str | None = None
    """SHA-256 of the file; another file is refused."""


def environment_name() -> str:
    """Return the name under which the environment that plays hold-outs is registered.

    Raises:
        PluginError: There is none, or more than one.
        ContractError: Its settings are not a subclass of `HoldOutSettings`.
    """
    names = sorted(plugins.registered("holdout"))
    if len(names) != 1:
        raise PluginError(
            f"one environment must be registered in starec_sim.holdout, not {len(names)}"
            + (f": {', '.join(names)}" if names else ""),
            hint="uninstall all distributions but one that register there"
            if names
            else "install starec-sim again: the environments that ship are missing",
        )
    plugin = plugins.load("environments", names[0])
    if not issubclass(plugin.Config, HoldOutSettings):
        raise ContractError(
            f'the environment "{names[0]}" is registered in starec_sim.holdout, and its Config is '
            "no subclass of starec_sim.holdout.HoldOutSettings",
            hint="derive the Config from HoldOutSettings",
        )
    return names[0]
