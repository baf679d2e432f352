"""What an engine is: token ids in, token ids out, and weights that can change.

Text never crosses this border. What was read and what was sampled are ids, so that nothing that was
generated is ever tokenised a second time, and training sees exactly what the model saw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Finish = Literal["stop", "length"]
"""`stop`: the model ended its turn, or the watcher did; `length`: it ran into `max_tokens`."""

Watcher = Callable[[int], bool]
"""Called with every token of one completion as it is sampled; True ends the completion."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one completion is drawn.

    The distribution of a token is softmax(logits / temperature), cut to the smallest set of most
    likely tokens whose probabilities sum to at least `top_p`, and scaled to sum to one.
    """

    max_tokens: int
    temperature: float = 1.0
    """0 takes the likeliest token; nothing is drawn then."""
    top_p: float = 1.0
    seed: int = 0
    """The key of this completion's own random stream: who else is in the batch changes nothing."""
    stop: frozenset[int] = frozenset()
    """Tokens that end the completion; the one that did is its last token."""


@dataclass(frozen=True, slots=True)
class Request:
    """One completion that is asked for. Requests with equal prompts share the work of reading."""

    prompt: tuple[int, ...]
    sampling: Sampling
    watch: Watcher | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What was sampled."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural log-probability of each token under the distribution it was drawn from, temperature
    and top-p applied. At temperature 0, where nothing is drawn, it is the model's own, at
    temperature 1.

    For training: a learner that divides its logits by the same temperature finds the same numbers
    when `top_p` is 1. Below 1 it finds less, by the logarithm of the probability that the cut left,
    and an importance ratio of the two is biased: sample with `top_p: 1` what is to be trained on.
    """
    finish: Finish
    version: str
    """The name of the weights that answered."""


class Engine(Protocol):
    """Generates from one set of weights at a time. Called by one thread at a time."""

    version: str
    """The name of the weights that answer."""
    window: int
    """The most tokens a prompt and its completion may have together."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests, in their order.

        Raises:
            PolicyError: The memory does not even hold one of them.
        """
        ...

    def load(self, model: PreTrainedModel, version: str) -> None:
        """Answer with these weights from now on. The model is the engine's own afterwards."""
        ...
