"""Where weights come from, and reading them: a model, an adapter merged into it, and their name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from starec_sim.policies.engine.adapters import merged
from starec_sim.policies.engine.checkpoints import ADAPTER_CONFIG, read_checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
        if path.is_dir() and not (path / ADAPTER_CONFIG).is_file():
            return WeightSource(str(path))
        return WeightSource(self.model, self.revision, source)


def read_model(source: WeightSource, dtype: torch.dtype) -> tuple[PreTrainedModel, str]:
    """Return weights, an adapter merged into them, and the name of exactly these weights.

    Raises:
        PolicyError: Something is missing, damaged, or does not fit together.
    """
    # An adapter is merged in full precision and the sum rounded once.
    stored = torch.float32 if source.adapter else dtype
    model: Any = read_checkpoint(source.model, source.revision, stored)
    name = _version(source.model, getattr(model.config, "_commit_hash", None))
    if source.adapter:
        # In place: nothing else uses these weights.
        model = merged(model, source.model, source.adapter)
        name += f"+{_version(source.adapter, None)}"
    return model.eval(), name


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
