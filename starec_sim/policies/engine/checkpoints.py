"""From a name or a path to weights: models, tokenizers, adapters, and what is wrong with them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from starec_sim.errors import PolicyError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_log = logging.getLogger(__name__)

_ADAPTER = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where weights come from: a model, and an adapter on top if there is one."""

    model: str
    revision: str | None = None
    adapter: str | None = None

    def replaced(self, source: str) -> Checkpoint:
        """Return the checkpoint that a path or id means as the next version of this one.

        An adapter goes on top of this model; anything else is a model of its own.
        """
        path = Path(source).expanduser()
        if path.is_dir() and not (path / _ADAPTER).is_file():
            return Checkpoint(str(path))
        return Checkpoint(self.model, self.revision, source)


def read_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerBase:
    """Return the tokenizer that belongs to a model.

    Raises:
        PolicyError: There is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    with _explained(checkpoint.model, "tokenizer"):
        tokenizer: Any = AutoTokenizer.from_pretrained(
            place(checkpoint.model), revision=checkpoint.revision, trust_remote_code=False
        )
    return tokenizer


def read_model(checkpoint: Checkpoint, dtype: torch.dtype) -> tuple[PreTrainedModel, str]:
    """Return weights, an adapter merged into them, and the name of exactly these weights.

    Raises:
        PolicyError: Something is missing, damaged, or does not fit together.
    """
    from transformers import AutoModelForCausalLM

    with _explained(checkpoint.model, "model"):
        model: Any = AutoModelForCausalLM.from_pretrained(
            place(checkpoint.model),
            revision=checkpoint.revision,
            trust_remote_code=False,
            # An adapter is merged in full precision and the sum rounded once.
            dtype=torch.float32 if checkpoint.adapter else dtype,
        )
    name = _named(checkpoint.model, getattr(model.config, "_commit_hash", None))
    if checkpoint.adapter:
        # In place: these weights were just read and are nobody else's.
        model = with_adapter(model, checkpoint.model, checkpoint.adapter).merge_and_unload()
        name += f"+{_named(checkpoint.adapter, None)}"
    return model.eval(), name


def with_adapter(model: Any, base: str, adapter: str, *, learns: bool = False) -> Any:
    """Return a model with an adapter on top of its weights, which stay as they are.

    Args:
        model: The weights.
        base: What they are called.
        adapter: A folder, or an id of the Hugging Face hub.
        learns: Whether the adapter is to be trained on.

    Raises:
        PolicyError: The adapter is missing, damaged, or does not fit.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = adapter_folder(adapter)
    unreadable = f"the adapter {adapter} cannot be read"
    again = "save it again, or copy it whole"
    try:
        about = json.loads((folder / _ADAPTER).read_text("utf-8"))
        told = about.get("base_model_name_or_path") or ""
    except (OSError, ValueError, AttributeError) as error:
        raise PolicyError(f"{unreadable}: {_ADAPTER}: {error}", hint=again) from error
    misfit = PolicyError(
        f'the adapter {adapter} was trained on "{told}" and does not fit "{base}"',
        hint=f"set model: {told or 'the model it was trained on'}, or name another adapter",
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what PEFT would warn of is checked below
            adapted = PeftModel.from_pretrained(model, folder, is_trainable=learns)
    except (RuntimeError, ValueError, KeyError) as error:
        raise misfit from error
    except (OSError, SafetensorError) as error:
        raise PolicyError(f"{unreadable}: {error}", hint=again) from error
    weights = folder / "adapter_model.safetensors"
    if weights.is_file():
        # PEFT leaves out in silence what it finds no place for, such as further layers.
        wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
        differ = wanted ^ set(load_file(weights))
        if any("embed" not in name and "lm_head" not in name for name in differ):
            raise misfit
    if told and Path(told).name != Path(base).name:
        _log.warning('the adapter %s was trained on "%s" and is used on "%s"', adapter, told, base)
    return adapted


def adapter_folder(adapter: str) -> Path:
    """Return where an adapter's files are, fetched if it is an id of the Hugging Face hub.

    Raises:
        PolicyError: There is no adapter.
    """
    path = Path(adapter).expanduser()
    if (path / _ADAPTER).is_file():
        return path
    if path.exists() or _looks_like_path(adapter):
        lacks = f"has no {_ADAPTER}" if path.exists() else "does not exist"
        raise PolicyError(
            f"adapter: {adapter} {lacks}",
            hint="an adapter is a folder that PEFT's `save_pretrained` wrote",
        )
    from huggingface_hub import snapshot_download

    with _explained(adapter, "adapter"):
        return Path(snapshot_download(adapter))


def place(model: str) -> str:
    """Return what transformers should open for a model's folder, or its id.

    Raises:
        PolicyError: It is a path at which there is no model.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if (path / _ADAPTER).is_file() and not (path / "config.json").is_file():
            raise PolicyError(
                f"model: {model} is an adapter, not a model",
                hint=f"set model to what it was trained on, and adapter: {model}",
            )
        if not (path / "config.json").is_file():
            raise PolicyError(
                f"model: {model} has no config.json",
                hint="a model is a folder that `save_pretrained` wrote, or an id such as "
                "Qwen/Qwen3-0.6B",
            )
        return str(path)
    if _looks_like_path(model):
        raise PolicyError(
            f"model: there is no folder {model}",
            hint=f"the path is read from {Path.cwd()}; make the model first, or name another one",
        )
    return model


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or os.sep == "\\" in name


@contextmanager
def _explained(name: str, what: str) -> Iterator[None]:
    """Read in silence, and say in our words why something could not be read."""
    from transformers.utils import logging

    told: Any = logging  # which has no types
    bars = told.is_progress_bar_enabled()
    told.disable_progress_bar()
    try:
        yield
    except PolicyError:
        raise
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        why = f"{type(error).__name__}: {first}"[:300]
        if Path(name).expanduser().is_dir():
            raise PolicyError(
                f"the {what} in {name} cannot be read: {why}",
                hint="copy it again, whole; transformers' `from_pretrained` must read it",
            ) from error
        cache = os.environ.get("HF_HOME", "~/.cache/huggingface")
        offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", "")
        hub = "not at the Hugging Face Hub (HF_HUB_OFFLINE is set)"
        hub = hub if offline else "at the Hugging Face Hub"
        raise PolicyError(
            f'no {what} is called "{name}": looked for the folder {Path.cwd() / name}, '
            f"in the cache {cache}, and {hub}: {why}",
            hint=f"with a connection: hf download {name}; without one, give the path of a folder",
        ) from error
    finally:
        if bars:
            told.enable_progress_bar()


def _named(source: str, commit: str | None) -> str:
    """Name weights by what they are called and what they are, not by where they lie."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return f"{source}@{commit[:8]}" if commit else source
    digest = hashlib.blake2b(digest_size=4)
    for file in sorted([*path.glob("*.safetensors"), *path.glob("*.bin")]):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return f"{path.resolve().name}@{digest.hexdigest()}"
