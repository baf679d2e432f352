"""Generation from local weights: token ids in, token ids and their log-probabilities out.

`protocol` says what an engine is, and imports nothing. Everything else needs torch, and is imported
when a local model is first used.
"""

from starec_sim.policies.engine.protocol import Completion, Engine, Request, Sampling

__all__ = ["Completion", "Engine", "Request", "Sampling"]
