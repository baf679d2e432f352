"""The STAR agent (STARec, arXiv 2508.18812): fast and slow thinking with a memory."""

from starec_agents.star.agent import StarAgent
from starec_agents.star.gate import Gate
from starec_agents.star.graph import StarContext, build_graph
from starec_agents.star.prompting import StarPrompts

__all__ = ["Gate", "StarAgent", "StarContext", "StarPrompts", "build_graph"]
