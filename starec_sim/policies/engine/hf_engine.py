"""The engine for every other architecture: `transformers.generate`, with our draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from starec_sim.policies.engine.memory import halving
from starec_sim.policies.engine.protocol import Completion, Request
from starec_sim.policies.engine.rows import Row
from starec_sim.policies.engine.sampling import Sampler

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class HFEngine:
    """Generates through `transformers`, for models that `TorchEngine` does not know.

    Args:
        model: The weights to begin with.
        version: Their name.
        dtype: The format of the model.
        device: Where to compute.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        version: str,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._dtype, self._device = dtype, torch.device(device)
        self.load(model, version)

    def load(self, model: PreTrainedModel, version: str) -> None:
        """See `Engine.load`."""
        network: Any = model
        self._model = network.to(device=self._device, dtype=self._dtype).eval()
        # The model's own habits (a repetition penalty, a top-k) would change what is drawn from.
        self._model.generation_config = _config()
        config = model.config.get_text_config()
        self.window = int(getattr(config, "max_position_embeddings", 0) or 2**31)
        self.version = version

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """See `Engine.generate`."""
        return halving(self._generate, requests)

    def _generate(self, requests: Sequence[Request]) -> list[Completion]:
        from transformers import LogitsProcessorList, StoppingCriteriaList

        longest = max(len(request.prompt) for request in requests)
        ids = torch.zeros(len(requests), longest, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for row, request in enumerate(requests):
            ids[row, longest - len(request.prompt) :] = torch.tensor(request.prompt)
            seen[row, longest - len(request.prompt) :] = 1
        pen = _Pen(requests, self._device)
        self._model.generate(
            input_ids=ids.to(self._device),
            attention_mask=seen.to(self._device),
            generation_config=_config(
                max_new_tokens=max(request.sampling.max_tokens for request in requests)
            ),
            logits_processor=LogitsProcessorList([pen.choose]),
            stopping_criteria=StoppingCriteriaList([pen.ended]),
        )
        return [row.completion(self.version) for row in pen.rows]


def _config(**settings: Any) -> Any:
    """Return settings for `generate` under which nothing but our draw decides."""
    from transformers import GenerationConfig

    # The padding is never seen; without a name for it `generate` would not go on past an end.
    return GenerationConfig(do_sample=False, pad_token_id=0, **settings)


class _Pen:
    """Draws each row's token in the middle of `generate`, which takes the likeliest of one."""

    def __init__(self, requests: Sequence[Request], device: torch.device) -> None:
        self.rows = [Row(request) for request in requests]
        self._sampler = Sampler([request.sampling for request in requests], device)

    def choose(self, ids: Tensor, logits: Tensor) -> Tensor:
        """Leave only the drawn token possible."""
        tokens, logprobs = self._sampler.draw(logits)
        for row, token, logprob in zip(self.rows, tokens.tolist(), logprobs.tolist(), strict=True):
            row.take(token, logprob)
        only = torch.full_like(logits, float("-inf"))
        return only.scatter_(1, tokens[:, None], 0.0)

    def ended(self, ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Say which rows have ended."""
        return torch.tensor([row.finish is not None for row in self.rows], device=ids.device)
