"""A policy that answers at random, by seed, and reports its tokens: one character is one token."""

import random
import re
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from starec_sim.types import Tokens


class RandomPolicy(BaseChatModel):
    temperature: float = 1.0
    seeded: bool = True
    silent: bool = False
    """Whether it reports no tokens."""
    broken: float = 0.0
    """Share of answers that cannot be read."""

    @property
    def _llm_type(self) -> str:
        return "talker"

    def _generate(self, messages, stop=None, run_manager=None, seed=0, **kwargs: Any):
        question = messages[-1].text if len(messages) < 3 else messages[1].text
        draw = random.Random(f"{seed} {question}")
        if draw.random() < self.broken:
            text = "I would rather not say."
        elif "Rewrite the summary" in question:
            summary = f"Drama: liked ({draw.random()})"
            text = f"<think>\nso\n</think>\n<preferences>\n{summary}\n</preferences>"
        elif "<page" in question:
            labels = re.findall(r"^([A-Z]+)\. ", question, re.MULTILINE)
            actions = "\n".join(f"{label}: {draw.choice(['skip', 'watch 4'])}" for label in labels)
            text = f"<think>\nso\n</think>\n<actions>\n{actions}\n</actions>\n<next>stay</next>"
        else:
            labels = re.findall(r"^([A-Z]+)\. ", question, re.MULTILINE)
            draw.shuffle(labels)
            text = f"<think>\nA. Drama: liked\n</think>\n<ranking>{' > '.join(labels)}</ranking>"
        prompt = "".join(message.text for message in messages)
        tokens = Tokens(
            tuple(map(ord, prompt)),
            tuple(map(ord, text)),
            (-0.5,) * len(text),
            "talker",
            {"temperature": self.temperature},
        )
        about = {} if self.silent else {"tokens": tokens}
        reply = AIMessage(text, response_metadata=about)
        return ChatResult(generations=[ChatGeneration(message=reply)])
