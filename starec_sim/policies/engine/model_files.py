"""Reading models, tokenizers and adapters from folders or from the Hugging Face Hub."""

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
class WeightSource:
    """Where weights come from: a model, and an adapter on top if there is one."""

    model: str
    """A Hugging Face id, or the path of a folder."""
    revision: str | None = None
    """A branch, tag or commit of the id."""
    adapter: str | None = None
    """The path or id of a PEFT adapter."""

    def next_version(self, source: str) -> WeightSource:
        """Return the source of other weights that are to replace these.

        Args:
            source: A path or id. An adapter goes on top of this model; a model replaces it.
        """
        path = Path(source).expanduser()
        if path.is_dir() and not (path / _ADAPTER).is_file():
            return WeightSource(str(path))
        return WeightSource(self.model, self.revision, source)


def read_tokenizer(source: WeightSource) -> PreTrainedTokenizerBase:
    """Return the tokenizer that belongs to a model.

    Raises:
        PolicyError: There is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    with _readable(source.model, "tokenizer"):
        tokenizer: Any = AutoTokenizer.from_pretrained(
            resolve_model(source.model), revision=source.revision, trust_remote_code=False
        )
    return tokenizer


def read_model(source: WeightSource, dtype: torch.dtype) -> tuple[PreTrainedModel, str]:
    """Return weights, an adapter merged into them, and the name of exactly these weights.

    Raises:
        PolicyError: Something is missing, damaged, or does not fit together.
    """
    from transformers import AutoModelForCausalLM

    with _readable(source.model, "model"):
        model: Any = AutoModelForCausalLM.from_pretrained(
            resolve_model(source.model),
            revision=source.revision,
            trust_remote_code=False,
            # An adapter is merged in full precision and the sum rounded once.
            dtype=torch.float32 if source.adapter else dtype,
        )
    name = _version(source.model, getattr(model.config, "_commit_hash", None))
    if source.adapter:
        # In place: nothing else uses these weights.
        model = with_adapter(model, source.model, source.adapter).merge_and_unload()
        name += f"+{_version(source.adapter, None)}"
    return model.eval(), name


def with_adapter(model: Any, base: str, adapter: str, *, learns: bool = False) -> Any:
    """Return a model with an adapter on top of its weights, which stay as they are.

    Args:
        model: The weights.
        base: Their name, for error messages.
        adapter: A folder, or an id of the Hugging Face hub.
        learns: Whether the adapter is going to be trained.

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
        trained_on = about.get("base_model_name_or_path") or ""
    except (OSError, ValueError, AttributeError) as error:
        raise PolicyError(f"{unreadable}: {_ADAPTER}: {error}", hint=again) from error
    misfit = PolicyError(
        f'the adapter {adapter} was trained on "{trained_on}" and does not fit "{base}"',
        hint=f"set model: {trained_on or 'the model it was trained on'}, or name another adapter",
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT's warnings are checked below
            adapted = PeftModel.from_pretrained(model, folder, is_trainable=learns)
    except (RuntimeError, ValueError, KeyError) as error:
        raise misfit from error
    except (OSError, SafetensorError) as error:
        raise PolicyError(f"{unreadable}: {error}", hint=again) from error
    weights = folder / "adapter_model.safetensors"
    if weights.is_file():
        # PEFT leaves out weights that do not fit, such as further layers, and does not say so.
        wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
        differ = wanted ^ set(load_file(weights))
        if any("embed" not in name and "lm_head" not in name for name in differ):
            raise misfit
    if trained_on and Path(trained_on).name != Path(base).name:
        _log.warning(
            'the adapter %s was trained on "%s" and is used on "%s"', adapter, trained_on, base
        )
    return adapted


def adapter_folder(adapter: str) -> Path:
    """Return the folder of an adapter; an id of the Hugging Face hub is downloaded.

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

    with _readable(adapter, "adapter"):
        return Path(snapshot_download(adapter))


def resolve_model(model: str) -> str:
    """Return a model's folder or id as transformers takes it.

    Raises:
        PolicyError: It is a path, and there is no model.
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
def _readable(name: str, what: str) -> Iterator[None]:
    """Raise a `PolicyError` for what could not be read; show no progress bars."""
    from transformers.utils import logging

    untyped: Any = logging
    bars = untyped.is_progress_bar_enabled()
    untyped.disable_progress_bar()
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
            untyped.enable_progress_bar()


def _version(source: str, commit: str | None) -> str:
    """Return the name of weights: their name or folder, and their commit or a hash of the files."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return f"{source}@{commit[:8]}" if commit else source
    digest = hashlib.blake2b(digest_size=4)
    for file in sorted([*path.glob("*.safetensors"), *path.glob("*.bin")]):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return f"{path.resolve().name}@{digest.hexdigest()}"
