"""The size of a model and the memory that its learner needs, from the shape of the model alone.

Memory is that of parameters, gradients and Adam's moments (Rajbhandari et al., 2020, "ZeRO",
section 3), and of what a layer with gated units and adapters keeps of a token: 24 bytes for each
hidden and 8 for each inner unit, fitted to what `benchmarks/learner_memory.py` measures (attention
matrices are never stored).
"""

from __future__ import annotations

from typing import NamedTuple

from starec_sim.learning.config import Training
from starec_sim.learning.models import Lora

GIB = 2**30


class Shape(NamedTuple):
    """What decides the size of a decoder."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    inner: int
    vocabulary: int
    tied: bool

    @property
    def linear(self) -> list[tuple[int, int]]:
        """The (in, out) of each linear layer of a block."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        return [
            (self.hidden, queries),
            (self.hidden, keys),
            (self.hidden, keys),
            (queries, self.hidden),
            (self.hidden, self.inner),
            (self.hidden, self.inner),
            (self.inner, self.hidden),
        ]

    @property
    def parameters(self) -> int:
        """How many parameters the model has, without biases and norms."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * sum(i * o for i, o in self.linear)

    def trainable(self, training: Training) -> int:
        """How many parameters learn: those of the adapter, or all."""
        return self.adapter(training.lora) if training.method == "lora" else self.parameters

    def adapter(self, lora: Lora) -> int:
        """How many parameters an adapter has, on all linear layers."""
        return self.layers * sum(lora.rank * (i + o) for i, o in self.linear)


_KNOWN = {
    "Qwen2.5-0.5B": Shape(896, 24, 14, 2, 64, 4864, 151_936, True),
    "Qwen2.5-1.5B": Shape(1536, 28, 12, 2, 128, 8960, 151_936, True),
    "Qwen2.5-7B": Shape(3584, 28, 28, 4, 128, 18_944, 152_064, False),
}
"""Shapes of models that a machine without a network cannot look up."""


def shape_of(model: str) -> Shape | None:
    """Return the shape of a model on this machine, or one that is listed here; None for others."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model, local_files_only=True)
    except (OSError, ValueError, KeyError):
        name = model.rpartition("/")[2].removesuffix("-Instruct")
        return _KNOWN.get(name)
    heads = config.num_attention_heads
    return Shape(
        config.hidden_size,
        config.num_hidden_layers,
        heads,
        getattr(config, "num_key_value_heads", None) or heads,
        getattr(config, "head_dim", None) or config.hidden_size // heads,
        config.intermediate_size,
        config.vocab_size,
        bool(config.tie_word_embeddings),
    )


def learner_gib(shape: Shape, training: Training, *, half: bool) -> float:
    """Return the GiB that a learner's process needs, nothing sharded.

    Args:
        shape: Of the model.
        training: The settings.
        half: Whether the forward pass runs in bf16.
    """
    frozen = (2 if half else 4) * shape.parameters if training.method == "lora" else 0
    # Weights, gradients and two moments in fp32, and the reference policy with a copy.
    learning = shape.trainable(training) * (4 + 4 + 8 + 8)
    tokens = training.batch_tokens
    width = 2 if half else 4
    layer = tokens * (24 * shape.hidden + 8 * shape.inner) * width / 2
    # With checkpointing, what goes into each layer, and all of the one that is computed again.
    inputs = tokens * shape.layers * shape.hidden * width
    activations = inputs + layer if training.gradient_checkpointing else shape.layers * layer
    mask = tokens * tokens * 5
    logits = min(tokens * shape.vocabulary, 2**26) * 4 * 3
    return (frozen + learning + activations + mask + logits) / GIB
