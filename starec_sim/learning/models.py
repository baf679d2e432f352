"""Weights that learn: a causal language model of transformers, whole or with a LoRA adapter.

A version is a folder in Hugging Face's layout, which `local` can play: the whole model with its
tokenizer, or an adapter for the base that it names.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from starec_sim.errors import StarecError
from starec_sim.policies.engine.adapters import merged, with_adapter
from starec_sim.policies.engine.checkpoints import listed, read_checkpoint
from starec_sim.policies.engine.precision import choose
from starec_sim.policies.engine.protocol import Precision
from starec_sim.policies.engine.tokenizers import (
    brought_by_adapter,
    check_vocabulary,
    read_tokenizer,
)
from starec_sim.settings import Settings

Method = Literal["lora", "full"]


class ModelError(StarecError):
    """Weights cannot be read, or do not belong to each other."""


class Lora(Settings):
    """Low-rank adapters (Hu et al., 2021).

    Dropout is 0: the policy that samples and the policy that learns must be the same.
    """

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    targets: str | tuple[str, ...] = "all-linear"


@dataclass(frozen=True)
class TrainedWeights:
    """A model in memory that learns."""

    model: Any
    """A `PreTrainedModel`, or a `PeftModel` around one."""
    tokenizer: Any
    base: str
    """Where the base was read from: an id or a folder."""
    method: Method
    autocast: bool
    """Whether the forward pass runs in bf16 over fp32 weights."""
    saves_tokenizer: bool = False
    """Whether a version has a tokenizer: a whole model, or an adapter that began with one."""

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """Return the parameters that learn, by name."""
        return {
            name: parameter
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad
        }

    def save(self, folder: Path, state: Mapping[str, Tensor] | None = None) -> None:
        """Write a version into an empty folder.

        Args:
            folder: Where.
            state: The model's state, gathered from all processes; taken from the model if None.
        """
        self.model.save_pretrained(folder, state_dict=dict(state) if state is not None else None)
        if self.saves_tokenizer:
            self.tokenizer.save_pretrained(folder)

    def load_version(self, folder: Path) -> None:
        """Load the values of a version that `save` wrote. Every process must call this.

        Raises:
            ModelError: The version cannot be read, or does not fit.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = "adapter_model" if self.method == "lora" else "model"
        try:
            values = load_file(folder / f"{file}.safetensors")
            if extra := values.keys() - set(map(_saved_name, self.model.state_dict())):
                raise ValueError(f"{listed(extra)} belong to no parameter")
            for name, parameter in self.trainable().items():
                key = _saved_name(name)
                whole = values.get(key)
                if whole is None or whole.shape != parameter.shape:
                    there = "is missing" if whole is None else f"has the shape {[*whole.shape]}"
                    raise ValueError(f"{key} {there}, wanted is {[*parameter.shape]}")
                parameter.data.copy_(shard(whole, parameter))
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelError(
                f"the version {folder} cannot be read: {error}",
                hint="resume from an earlier checkpoint: remove the last one from its folder",
            ) from error


def _saved_name(parameter: str) -> str:
    """Return the name of a parameter in a file: peft leaves out the name of the adapter.

    A layer that learns whole beside an adapter has the name of the layer it stands for.
    """
    whole = parameter.replace(".modules_to_save.default.", ".")
    return whole.replace(".default.", ".").removesuffix(".default")


def gathered(values: Any) -> Any:
    """Return values that are sharded over processes (FSDP) as one tensor, others as they are."""
    return values.full_tensor() if isinstance(values, DTensor) else values


def shard(values: Tensor, like: Tensor) -> Tensor:
    """Return this process's shard of values, if the parameter `like` is sharded."""
    if not isinstance(like, DTensor) or values.shape != like.shape:
        return values
    return distribute_tensor(values.to(like.device, like.dtype), like.device_mesh, like.placements)


def load(
    model: str,
    adapter: str | None = None,
    *,
    revision: str | None = None,
    method: Method = "full",
    lora: Lora = Lora(),  # noqa: B008 (frozen)
    dtype: Precision = "fp32",
    gradient_checkpointing: bool = False,
) -> TrainedWeights:
    """Read weights that are going to learn.

    Args:
        model: An id of the Hugging Face hub, or a folder.
        adapter: A LoRA adapter to continue with; None makes a new one if the method is `lora`.
        revision: A branch, tag or commit of the hub.
        method: Whether all weights learn, or an adapter.
        lora: The shape of a new adapter.
        dtype: `auto` takes bf16 where the device is faster in it.
        gradient_checkpointing: Whether activations are computed twice instead of kept.

    Raises:
        ModelError: The model cannot be trained.
        PolicyError: The model or the adapter is missing, cannot be read, or does not fit.
    """
    from transformers.utils import logging

    from starec_sim.learning.attention import IN_PIECES

    logging.disable_progress_bar()
    half = resolve_dtype(dtype) == "bf16"
    # An adapter learns in fp32 over a base in bf16; whole weights learn in fp32 under autocast.
    stored = torch.bfloat16 if half and method == "lora" else torch.float32
    attention = "sdpa" if torch.cuda.is_available() else IN_PIECES
    base: Any = read_checkpoint(model, revision, stored, attn_implementation=attention)
    tokenizer = _read_tokenizer(model, revision, adapter)
    if method == "full" and adapter is not None:
        base = merged(base, model, adapter).requires_grad_(True)  # PEFT froze them
    elif method == "lora":
        base = (
            with_adapter(base, model, adapter, learns=True)
            if adapter
            else with_new_adapter(base, lora)
        )
    check_vocabulary(tokenizer, base, adapter or model)
    base.train()
    if gradient_checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})
    saves_tokenizer = method == "full" or brought_by_adapter(adapter) is not None
    return TrainedWeights(base, tokenizer, model, method, half, saves_tokenizer)


def _read_tokenizer(model: str, revision: str | None, adapter: str | None) -> Any:
    """Return the tokenizer that writes the prompts and ends the answers."""
    tokenizer = read_tokenizer(model, revision, adapter)
    if tokenizer.chat_template is None:
        raise ModelError(
            f"the tokenizer of {model} has no chat template, so it cannot read messages",
            hint="use an instruction-tuned model, or add chat_template.jinja to its folder",
        )
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of {model} has no eos_token, with which answers could end",
            hint="set eos_token in its tokenizer_config.json",
        )
    return tokenizer


def resolve_dtype(dtype: Precision) -> Literal["fp32", "bf16"]:
    """Return the number format; for `auto`, the faster one by the engine's measurement."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return "bf16" if choose(dtype, device) == torch.bfloat16 else "fp32"


def with_new_adapter(base: Any, lora: Lora) -> Any:
    """Return a model around `base` in which only a new adapter learns.

    Raises:
        ModelError: No layer has a name that `lora.targets` gives.
    """
    from peft import LoraConfig, get_peft_model

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=0.0,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT uses an old name of transformers
            return get_peft_model(base, config)
    except ValueError as error:
        raise ModelError(
            f"no adapter fits the model: {error}", hint="set train.lora.targets to all-linear"
        ) from error
