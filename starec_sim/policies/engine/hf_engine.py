"""The engine for all other architectures: `transformers.generate`, with our sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from starec_sim.policies.engine.allowed_tokens import AllowedTokens
from starec_sim.policies.engine.out_of_memory import halve_on_out_of_memory
from starec_sim.policies.engine.partial_completion import PartialCompletion
from starec_sim.policies.engine.protocol import Completion, Request
from starec_sim.policies.engine.sampling import TokenSampler

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
        # The number formats of a quantised model are part of it.
        quantised = getattr(model.config, "quantization_config", None)
        formats = {} if quantised else {"dtype": self._dtype}
        self._model = network.to(device=self._device, **formats).eval()
        # The model's own settings (a repetition penalty, a top-k) would change the distribution.
        self._model.generation_config = _config()
        config = model.config.get_text_config()
        self.window = int(getattr(config, "max_position_embeddings", 0) or 2**31)
        self.version = version

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """See `Engine.generate`."""
        return halve_on_out_of_memory(self._generate, requests)

    def _generate(self, requests: Sequence[Request]) -> list[Completion]:
        from transformers import LogitsProcessorList, StoppingCriteriaList

        longest = max(len(request.prompt) for request in requests)
        ids = torch.zeros(len(requests), longest, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for row, request in enumerate(requests):
            ids[row, longest - len(request.prompt) :] = torch.tensor(request.prompt)
            seen[row, longest - len(request.prompt) :] = 1
        sampling = _SamplingHooks(requests, self._device)
        self._model.generate(
            input_ids=ids.to(self._device),
            attention_mask=seen.to(self._device),
            generation_config=_config(
                max_new_tokens=max(request.sampling.max_tokens for request in requests)
            ),
            logits_processor=LogitsProcessorList([sampling.choose]),
            stopping_criteria=StoppingCriteriaList([sampling.ended]),
        )
        return [row.completion(self.version) for row in sampling.rows]


def _config(**settings: Any) -> Any:
    """Return settings for `generate` with which only our sampling chooses tokens."""
    from transformers import GenerationConfig

    # Padding is masked; without an id for it `generate` does not go on after a row has ended.
    return GenerationConfig(do_sample=False, pad_token_id=0, **settings)


class _SamplingHooks:
    """Samples the tokens inside `generate`, which is left with one possible token for each row."""

    def __init__(self, requests: Sequence[Request], device: torch.device) -> None:
        self.rows = [PartialCompletion(request) for request in requests]
        self._sampler = TokenSampler([request.sampling for request in requests], device)
        self._device = device
        self._grammars: AllowedTokens | None = None

    def choose(self, ids: Tensor, logits: Tensor) -> Tensor:
        """Draw a token for each row, and return scores that allow only this token."""
        if self._grammars is None:
            self._grammars = AllowedTokens(len(self.rows), logits.shape[1], self._device)
        tokens, logprobs = self._sampler.draw(logits, self._grammars.of(self.rows))
        for row, token, logprob in zip(self.rows, tokens.tolist(), logprobs.tolist(), strict=True):
            row.append(token, logprob)
        only = torch.full_like(logits, float("-inf"))
        return only.scatter_(1, tokens[:, None], 0.0)

    def ended(self, ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Return which rows have ended (rows,)."""
        return torch.tensor([row.finish is not None for row in self.rows], device=ids.device)
