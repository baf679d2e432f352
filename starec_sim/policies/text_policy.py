"""A chat model without weights: it reads the parts of a prompt and answers by a rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict

from starec_sim.answers import NOTHING_YET, PromptParts, read_counts, read_prompt
from starec_sim.answers.tags import DESCRIPTION, THINK, block
from starec_sim.types import Messages

_DESCRIBED_TERMS = 6
"""Terms that a description of an item keeps."""


class TextPolicy(BaseChatModel, ABC):
    """A chat model whose answer follows from the text of the prompt alone."""

    model_config = ConfigDict(extra="forbid")

    costs_nothing: ClassVar[bool] = True
    reads_questions: ClassVar[bool] = False

    @abstractmethod
    def answer(self, prompt: PromptParts) -> str:
        """Answer a prompt that asks for a ranking, for actions on a page, or for a new summary."""

    def answer_to(self, messages: Messages) -> str:
        """Answer the messages of a question."""
        prompt = read_prompt(messages)
        return _describe(prompt) if prompt.asks == "description" else self.answer(prompt)

    @property
    def answers_at_once(self) -> bool:
        """Whether `answer_counted` may be called in place of `ainvoke`."""
        kind = type(self)
        own = (kind.ainvoke, kind._agenerate, kind._generate)
        return own == (BaseChatModel.ainvoke, TextPolicy._agenerate, TextPolicy._generate)

    def answer_counted(self, messages: Messages) -> tuple[str, int, int]:
        """Answer, and count the words of question and answer as tokens."""
        answer = self.answer_to(messages)
        if not isinstance(answer, str):
            raise TypeError(f"answer returned {type(answer).__name__}; it must return text")
        return answer, sum(word_count(text) for _, text in messages), word_count(answer)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        roles = ("user" if message.type == "human" else message.type for message in messages)
        texts = (message.text for message in messages)
        asked = tuple(zip(roles, texts, strict=True))
        answer, words_in, words_out = self.answer_counted(asked)
        reply = AIMessage(
            answer,
            usage_metadata={
                "input_tokens": words_in,
                "output_tokens": words_out,
                "total_tokens": words_in + words_out,
            },
        )
        return ChatResult(generations=[ChatGeneration(message=reply)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # The default of langchain moves the work to a thread, which takes longer than the work.
        return self._generate(messages, stop, None, **kwargs)


def _describe(prompt: PromptParts) -> str:
    """Describe an item: what its reader likes best first, then what was written before."""
    liked = [
        (-met, term) for term, likes, met in read_counts(prompt.preferences) if 2 * likes > met
    ]
    best = [term for _, term in sorted(liked)]
    before = prompt.description.split(", ") if prompt.description != NOTHING_YET else []
    words = prompt.words
    kept: list[str] = []
    for term in dict.fromkeys(best[: _DESCRIBED_TERMS // 2] + before + best):
        words -= word_count(term)
        if words < 0 or len(kept) == _DESCRIBED_TERMS:
            break
        kept.append(term)
    described = ", ".join(kept) or NOTHING_YET
    return f"{block(THINK, described)}\n{block(DESCRIPTION, described)}"


def word_count(text: str) -> int:
    """Count words, roughly: what these policies report as tokens."""
    return text.count(" ") + text.count("\n") + 1
