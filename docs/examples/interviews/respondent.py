"""A chat model without weights that answers interviews from what the prompt says was liked.

    starec interview latest "How satisfied are you with what you see?" --scale 1-5 \
        --policy docs/examples/interviews/respondent.yaml

A real model reads the question; this one only looks for its form. It shows what an interview sends
and what it reads, and needs no download.
"""

import re

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Respondent(BaseChatModel):
    """Answers with the share of experiences that were liked."""

    @property
    def _llm_type(self):
        return "respondent"

    def _generate(self, messages, stop=None, run_manager=None, **options):
        prompt = messages[-1].text
        history = prompt.partition("<history>")[2].partition("</history>")[0]
        liked, disliked = history.count(": liked |"), history.count(": disliked |")
        share = liked / max(1, liked + disliked)
        answer = self.answer(prompt.rpartition("Answer with ")[2], share)
        text = f"<think>\n{liked} liked, {disliked} disliked\n</think>\n<answer>{answer}</answer>"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    def answer(self, form, share):
        """Return an answer in the form that is asked for."""
        if scale := re.match(r"one whole number from (-?\d+) .* to (-?\d+)", form):
            low, high = int(scale[1]), int(scale[2])
            return round(low + share * (high - low))
        if form.startswith("yes or no"):
            return "yes" if share > 0.5 else "no"
        if form.startswith("one of these"):
            options = form.partition(": ")[2].rstrip(".").split("; ")
            return options[min(len(options) - 1, int(share * len(options)))]
        if form.startswith("one number"):
            return f"{100 * share:.0f}"
        return f"I liked {share:.0%} of what I saw."
