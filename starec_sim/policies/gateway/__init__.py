"""The gateway: every call of a policy goes through it, and becomes a recorded turn.

Read `gateway.py` first: what happens to a question, in order. Each step is a file of its own:
answers of a recorded run (`replay.py`), answers that runs share (`cache.py`), attempts and the
circuit breaker (`endpoint_client.py`), the limits of an endpoint (`rate_limiter.py`), the budget
(`budget_guard.py`), and the meaning of a failure (`failures.py`).
"""

from starec_sim.policies.gateway.gateway import Gateway
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.resources import GatewayResources
from starec_sim.policies.gateway.turn_store import TurnStore

__all__ = ["Gateway", "GatewayResources", "Policy", "TurnStore"]
