"""Zero-shot ranking after LLMRank (arXiv 2305.08845): the history as it stands, and no memory."""

from starec_agents.llmrank.agent import LLMRankAgent

__all__ = ["LLMRankAgent"]
