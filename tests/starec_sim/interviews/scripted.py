"""A chat model that answers as its settings say, and keeps the prompts that it got."""

from typing import Any, ClassVar

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from starec_sim import Experiment, run


class Scripted(BaseChatModel):
    first: str = "4"
    """The answer to a question."""
    repaired: str = "4"
    """The answer to a repair."""
    structured: bool = False
    whole: str = "<think>\nso\n</think>\n<answer>{}</answer>"
    prompts: ClassVar[list[list[str]]] = []
    options: ClassVar[list[dict[str, Any]]] = []

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages, stop=None, run_manager=None, **options: Any):
        self.prompts.append([message.text for message in messages])
        self.options.append(options)
        answer = self.first if len(messages) == 2 else self.repaired
        text = self.whole.replace("{}", answer)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def asked_run(runs_dir, **changes):
    """Play the run whose users are asked, and return its folder."""
    values = {
        "name": "asked",
        "environment": {"use": "feed", "recommender": "popularity", "page_size": 4},
        "policies": {"fast": "lexical", "slow": "lexical"},
        "runs_dir": runs_dir,
        "arms": {"popular": {}, "random": {"environment.recommender": "random"}},
    }
    return run(Experiment.model_validate({**values, **changes})).folder
