"""Zero-shot ranking after LLMRank (arXiv 2305.08845): the history alone, and no summary."""

from starec_agents.llmrank.agent import LLMRankAgent

__all__ = ["LLMRankAgent"]
