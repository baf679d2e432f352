"""The one door to every model: a question in, a recorded turn out.

Read `gateway.py` first: what happens to a question, in order. Each step of it is a file of its own:
answers of an earlier run (`replay.py`), answers that runs share (`cache.py`), what may be spent
(`traffic.py`), how hard an endpoint is asked (`limits.py`), attempts and the circuit breaker
(`line.py`), and what a failure means (`failures.py`).
"""

from starec_sim.policies.gateway.gateway import Gateway
from starec_sim.policies.gateway.policy import Policy, build_policy
from starec_sim.policies.gateway.resources import GatewayResources
from starec_sim.policies.gateway.turn_store import TurnStore

__all__ = ["Gateway", "GatewayResources", "Policy", "TurnStore", "build_policy"]
