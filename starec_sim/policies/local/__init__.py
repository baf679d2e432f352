"""The policy that runs in this process, on local weights."""

from starec_sim.policies.local.policy import LocalPolicy

__all__ = ["LocalPolicy"]
