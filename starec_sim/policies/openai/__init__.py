"""The policy for endpoints with OpenAI's chat format: vLLM, Ollama, DeepSeek, OpenAI itself."""

from starec_sim.policies.openai.policy import OpenAIPolicy

__all__ = ["OpenAIPolicy"]
