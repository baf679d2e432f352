"""Generation from local weights: token ids in, token ids and their log-probabilities out.

`protocol` defines an engine and needs no torch. The other modules need torch; they are imported
when a local model is first used.
"""

from starec_sim.policies.engine.protocol import Completion, Engine, Request, Sampling

__all__ = ["Completion", "Engine", "Request", "Sampling"]
