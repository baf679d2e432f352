"""AgentCF (arXiv 2310.09233): users and items have memories; both learn from a choice of two."""

from starec_agents.agentcf.agent import AgentCFAgent

__all__ = ["AgentCFAgent"]
