"""AgentCF (arXiv 2310.09233): users and items have memories, and both learn from pairs."""

from starec_agents.agentcf.agent import AgentCFAgent

__all__ = ["AgentCFAgent"]
