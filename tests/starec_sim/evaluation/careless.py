"""A policy whose answers always have the same flaws."""

from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Careless(BaseChatModel):
    """Ranks the first candidate twice and an item that is not a candidate, and no other."""

    @property
    def _llm_type(self) -> str:
        return "careless"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **more: Any
    ) -> ChatResult:
        answer = AIMessage("<think>\n</think>\n<ranking>A > A > ZZZ</ranking>")
        return ChatResult(generations=[ChatGeneration(message=answer)])
