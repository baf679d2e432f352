"""Reading PEFT adapters: all their parameters fit the model, and none is left out."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from starec_sim.errors import PolicyError
from starec_sim.json_nesting import parse_json
from starec_sim.policies.engine.checkpoints import (
    ADAPTER_CONFIG,
    check_finite,
    listed,
    looks_like_path,
    renaming_hint,
)
from starec_sim.policies.engine.read_errors import hint_for, readable

_log = logging.getLogger(__name__)

_COPY = "save it again, or copy it whole"
_MAX_DEPTH = 20
"""Nesting of an adapter's configuration."""
_PREFIX = "base_model.model."
"""What PEFT writes before the names of the model's own parameters."""


def with_adapter(model: Any, base: str, adapter: str, *, learns: bool = False) -> Any:
    """Return a model with an adapter on top of its weights, which stay as they are.

    An adapter that was trained with a larger vocabulary brings its embeddings; the model gets as
    many rows.

    Args:
        model: The weights.
        base: Their name, for error messages.
        adapter: A folder, or an id of the Hugging Face hub.
        learns: Whether the adapter is going to be trained.

    Raises:
        PolicyError: The adapter is missing, damaged, or does not fit.
    """
    folder = adapter_folder(adapter)
    trained_on = _trained_on(folder, adapter)
    misfit = _Misfit(adapter, trained_on, base)
    adapted, missing, unexpected = _load(model, folder, learns, misfit)
    if missing or unexpected:
        raise misfit.keys(missing, unexpected)
    if not learns and not _changes_anything(adapted):
        _log.warning(
            'the adapter "%s" changes no weight: it was not trained, or its lora_alpha is 0; the '
            "answers are those of %s",
            adapter,
            base,
        )
    if trained_on and Path(trained_on).name != Path(base).name:
        _log.warning(
            'the adapter "%s" was trained on "%s" and is used on "%s"', adapter, trained_on, base
        )
    return adapted


def merged(model: Any, base: str, adapter: str) -> Any:
    """Return a model with an adapter merged into its weights; they are changed in place.

    Raises:
        PolicyError: The adapter is missing, damaged, does not fit, or cannot be merged.
    """
    adapted = with_adapter(model, base, adapter)
    _untie(adapted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT warns of tied weights, which are not tied now
            return adapted.merge_and_unload()
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise PolicyError(
            f"the adapter {adapter} cannot be merged into {base}: {_reason(error)}",
            hint="merge it with the library that made it, and set model to the result",
        ) from error


def _untie(adapted: Any) -> None:
    """Give embeddings and head weights of their own where an adapter changes one of them alone.

    PEFT would merge the change of one into the weights that both share.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    model = adapted.get_base_model()
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    changed = [layer for layer in layers if isinstance(layer, BaseTunerLayer)]
    bare = [
        layer.get_base_layer() if isinstance(layer, BaseTunerLayer) else layer for layer in layers
    ]
    first: Any = getattr(bare[0], "weight", None)
    second: Any = getattr(bare[1], "weight", None)
    if changed and second is not None and first is second:
        bare[1].weight = torch.nn.Parameter(second.detach().clone(), requires_grad=False)


def _changes_anything(adapted: Any) -> bool:
    """Return whether an adapter differs from none; only those with low-rank factors are judged."""
    scaled = [
        (scaling, layer.lora_B[name].weight)
        for layer in adapted.modules()
        if isinstance(getattr(layer, "lora_B", None), torch.nn.ModuleDict)
        for name, scaling in layer.scaling.items()
        if name in layer.lora_B  # embeddings have theirs elsewhere
    ]
    return not scaled or any(scaling and weight.any() for scaling, weight in scaled)


def adapter_folder(adapter: str) -> Path:
    """Return the folder of an adapter; an id of the Hugging Face hub is downloaded.

    Raises:
        PolicyError: There is no adapter.
    """
    path = Path(adapter).expanduser()
    if (path / ADAPTER_CONFIG).is_file():
        return path
    if path.exists() or looks_like_path(adapter):
        lacks = f"has no {ADAPTER_CONFIG}" if path.exists() else "does not exist"
        raise PolicyError(
            f"adapter: {adapter} {lacks}",
            hint="an adapter is a folder that PEFT's `save_pretrained` wrote",
        )
    from huggingface_hub import snapshot_download

    with readable(adapter, "adapter"):
        return Path(snapshot_download(adapter))


class _Misfit:
    """Errors about an adapter that does not belong to the model.

    Args:
        adapter: The adapter.
        trained_on: The model that its configuration names; empty if it names none.
        base: The model that it is used on.
    """

    def __init__(self, adapter: str, trained_on: str, base: str) -> None:
        self._adapter, self._trained_on, self._base = adapter, trained_on, base

    def error(self, why: str, hint: str = "") -> PolicyError:
        """Return the error for a reason."""
        if not hint and Path(self._trained_on).name == Path(self._base).name:
            hint = f"its {ADAPTER_CONFIG} and its weights are not of one adapter: save it again"
        elif not hint:
            wanted = self._trained_on or "the model it was trained on"
            hint = f"set model: {wanted}, or name another adapter"
        return PolicyError(
            f'the adapter {self._adapter} was trained on "{self._trained_on}" and does not fit '
            f'"{self._base}": {why}',
            hint=hint,
        )

    def keys(self, missing: list[str], unexpected: list[str]) -> PolicyError:
        """Return the error for parameters that are missing, and for those that belong nowhere."""
        found = []
        if missing:
            found.append(f"{len(missing)} of its parameters are missing ({listed(missing)})")
        if unexpected:
            found.append(
                f"{len(unexpected)} belong to no parameter of the model ({listed(unexpected)})"
            )
        return self.error("; ".join(found), renaming_hint(missing, unexpected))


def _trained_on(folder: Path, adapter: str) -> str:
    """Return the model that an adapter's configuration names; check that it can be merged."""
    from peft.utils import PeftType

    try:
        about = parse_json((folder / ADAPTER_CONFIG).read_text("utf-8"), _MAX_DEPTH)
        kind, task = str(about.get("peft_type", "")), about.get("task_type")
        trained_on = str(about.get("base_model_name_or_path") or "")
    except (OSError, ValueError, AttributeError) as error:
        raise PolicyError(
            f"the adapter {adapter} cannot be read: {ADAPTER_CONFIG}: {error}",
            hint=_COPY,
        ) from error
    prompts = {PeftType.PREFIX_TUNING, PeftType.PROMPT_TUNING, PeftType.P_TUNING}
    if kind not in set(PeftType) or kind in prompts or task not in (None, "CAUSAL_LM"):
        raise PolicyError(
            f"the adapter {adapter} has the type {kind or 'none'} for the task {task or 'none'}; "
            "expected one that changes weights, such as LORA, for CAUSAL_LM",
            hint="name an adapter that can be merged into a causal language model",
        )
    return trained_on


def _load(
    model: Any, folder: Path, learns: bool, misfit: _Misfit
) -> tuple[Any, list[str], list[str]]:
    """Return the model with its adapter, and the names that were missing and unexpected."""
    from peft import PeftConfig, PeftModelForCausalLM
    from peft.utils.save_and_load import load_peft_weights
    from safetensors import SafetensorError

    if not any((folder / f"adapter_model.{kind}").is_file() for kind in ("safetensors", "bin")):
        raise PolicyError(
            f"the adapter {folder} has no weights: no adapter_model.safetensors", hint=_COPY
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is in the report
            config = PeftConfig.from_pretrained(str(folder))
            config.inference_mode = not learns
            weights = load_peft_weights(str(folder), device="cpu")
            check_finite(f"the adapter {folder}", weights.items())
            _resize_vocabulary(model, weights, misfit)
            # `PeftModel.from_pretrained` does the same, and keeps the report to itself.
            adapted = PeftModelForCausalLM(model, config)
            report = adapted.load_adapter(str(folder), "default", is_trainable=learns)
    except (OSError, SafetensorError, UnpicklingError) as error:
        raise PolicyError(
            f"the adapter {folder} cannot be read: {_reason(error)}",
            hint=hint_for(error, folder),
        ) from error
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise misfit.error(_reason(error)) from error
    missing = [name.replace(".default.", ".") for name in report.missing_keys]
    # PEFT writes embeddings that were trained and resized twice, under two names.
    unexpected = [
        name
        for name in report.unexpected_keys
        if name == (once := name.replace(".modules_to_save.", ".")) or once not in weights
    ]
    return adapted, missing, unexpected


def _reason(error: Exception) -> str:
    """Return the one line that says what does not fit; of shapes, the first that differs."""
    said = str(error).strip()
    shapes = re.search(
        r"size mismatch for (\S+): .*?torch.Size\((.*?)\).*?torch.Size\((.*?)\)", said, re.DOTALL
    )
    if shapes:
        name, has, wants = shapes.groups()
        return f"{name} has the shape {has}, expected {wants}"
    return said.partition("\n")[0][:300]


def _resize_vocabulary(model: Any, weights: Mapping[str, Any], misfit: _Misfit) -> None:
    """Give a model as many embeddings as the adapter brings."""
    names = {module: name for name, module in model.named_modules()}
    rows = model.get_input_embeddings().weight.shape[0]
    brought = {}
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        stored = weights.get(f"{_PREFIX}{names.get(layer)}.weight")
        brought[layer] = rows if stored is None else stored.shape[0]
    new = max(brought.values())
    if new == rows:
        return
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    if not tied and set(brought.values()) != {new}:
        raise misfit.error(
            f"it brings {new:,} rows for its vocabulary of one of embeddings and head, and the "
            f"model has {rows:,} of the other"
        )
    model.resize_token_embeddings(new, mean_resizing=False)  # all rows come from the adapter
