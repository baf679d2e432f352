"""The protocol of an engine: token ids in, token ids out, and weights that can change.

An engine has nothing to do with text. Prompts and completions are ids, so that nothing that was
generated is tokenised again, and training sees exactly what the model saw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from llguidance import LLMatcher
    from transformers import PreTrainedModel

Precision = Literal["auto", "fp32", "bf16"]
"""The number format of the large products; `auto` is the faster one."""

Finish = Literal["stop", "length"]
"""`stop`: the model or the watcher ended the completion; `length`: it has `max_tokens` tokens."""

Watcher = Callable[[int], bool]
"""Called with every token of one completion as it is sampled; True ends the completion."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one completion is drawn.

    The distribution of a token is softmax(logits / temperature), cut to the smallest set of most
    likely tokens whose probabilities sum to at least `top_p`, and scaled to sum to one. Where the
    request has a grammar, only the tokens that it allows are left, again scaled to sum to one; if
    it allows none of that set, `top_p` does not count.
    """

    max_tokens: int
    temperature: float = 1.0
    """0 takes the likeliest token; nothing is drawn then."""
    top_p: float = 1.0
    seed: int = 0
    """The key of this completion's random stream: the rest of the batch changes nothing."""
    stop: frozenset[int] = frozenset()
    """Tokens that end the completion; that token is its last one."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one completion. A prompt that several requests have is read once."""

    prompt: tuple[int, ...]
    sampling: Sampling
    watch: Watcher | None = None
    """Called with every token; None if nothing watches."""
    grammar: LLMatcher | None = None
    """What the completion is held to, at its beginning; None for any text."""
    is_awaited: Callable[[], bool] | None = None
    """Whether anybody still waits for the completion; None if somebody always does."""


class NobodyWaitsError(Exception):
    """Nobody waits any more for any completion of a batch whose prompts are being read."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled completion."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural log-probability of each token under the distribution it was drawn from, temperature
    and top-p applied. At temperature 0, where nothing is drawn, it is the model's own, at
    temperature 1, among the tokens that the grammar allows.

    For training: a learner that divides its logits by the same temperature computes the same
    numbers when `top_p` is 1. When it is below 1, the learner's numbers are lower, by the logarithm
    of the probability mass that was kept, and an importance ratio of the two is biased. So sample
    with `top_p: 1` what is to be trained on, and without a grammar, for the same reason.
    """
    finish: Finish
    version: str
    """The name of the weights that answered."""


class Engine(Protocol):
    """Generates with one set of weights. One thread calls it at a time."""

    version: str
    """The name of the weights that answer."""
    window: int
    """The most tokens a prompt and its completion may have together."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests, in their order.

        Raises:
            PolicyError: The memory does not suffice for one of them.
            NobodyWaitsError: All callers left while their prompts were read.
        """
        ...

    def load(self, model: PreTrainedModel, version: str) -> None:
        """Answer with these weights from now on. The engine may change the model afterwards."""
        ...
