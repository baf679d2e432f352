"""Packing: the rows of a group share their prompt in one forward pass.

    [ prompt | completion 1 | completion 2 | ... | completion G ]

Every completion sees the prompt and itself. That is the gradient of G separate rows, to rounding,
for a quarter of the tokens at 8 completions of 48 after a prompt of 300.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from starec_sim.errors import ConfigError
from starec_sim.learning.attention import IN_PIECES
from starec_sim.learning.rows import TokenRow

LOGITS_AT_ONCE = 2**26
"""Logits held at a time, about 256 MB in fp32: a vocabulary of 150,000 goes in chunks of tokens."""


class TrainingRow(NamedTuple):
    """A row with the advantage and the weight of each id of its completion."""

    row: TokenRow
    advantage: Sequence[float]
    weight: Sequence[float]
    """Weight of each id in the loss; 0 if the policy did not write it."""
    span: Sequence[int] = ()
    """Ids with the same number share one importance ratio; empty: each has its own."""
    number: int = 0
    """Of the row in its batch, for a loss that compares rows."""


@dataclass(frozen=True)
class Pack:
    """A batch of packed sequences. B sequences of S ids; N ids to learn from, over all of them."""

    ids: Tensor
    """Shape (B, S)."""
    positions: Tensor
    """Shape (B, S): each completion counts on from the end of the prompt."""
    segments: Tensor
    """Shape (B, S): 0 the prompt, k the k-th completion, -1 padding."""
    source: Tensor
    """Shape (N,): which of the B x S hidden states predicts an id."""
    target: Tensor
    """Shape (N,): the id."""
    old: Tensor
    """Shape (N,): its log-probability under the policy that sampled it."""
    advantage: Tensor
    """Shape (N,), see `TrainingRow.advantage`."""
    weight: Tensor
    """Shape (N,), see `TrainingRow.weight`."""
    span: Tensor
    """Shape (N,), see `TrainingRow.span`."""
    row: Tensor
    """Shape (N,), see `TrainingRow.number`."""
    temperature: float

    def to(self, device: torch.device) -> Self:
        """Return the pack on another device."""
        moved: dict[str, Any] = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)

    def without_weight(self) -> Self:
        """Return a copy with zero weights, for a process that has fewer packs than others."""
        return replace(self, weight=torch.zeros_like(self.weight))

    @property
    def shared(self) -> bool:
        """Whether any prompt has more than one completion."""
        return bool((self.segments > 1).any())


def packs(rows: Iterable[TrainingRow], *, tokens: int, temperature: float = 1.0) -> list[Pack]:
    """Return packs of at most `tokens` ids each, padding included; long rows first.

    Raises:
        ConfigError: A single row is longer than that.
    """
    bundles = sorted(_bundles(rows, tokens), key=_length, reverse=True)
    batches: list[list[list[TrainingRow]]] = []
    for bundle in bundles:
        if batches and _length(batches[-1][0]) * (len(batches[-1]) + 1) <= tokens:
            batches[-1].append(bundle)
        else:
            batches.append([bundle])
    return [_pack(batch, temperature) for batch in batches]


def _bundles(rows: Iterable[TrainingRow], tokens: int) -> list[list[TrainingRow]]:
    """Put rows with the same prompt together, as many as fit."""
    bundles: list[list[TrainingRow]] = []
    latest: dict[tuple[int, ...], list[TrainingRow]] = {}
    for training_row in rows:
        if len(training_row.row) > tokens:
            raise ConfigError(
                f"a row has {len(training_row.row)} tokens, and batch_tokens is {tokens}",
                hint="raise train.batch_tokens, or show the policy less",
            )
        bundle = latest.get(training_row.row.prompt)
        if bundle is None or _length(bundle) + len(training_row.row.completion) > tokens:
            bundle = latest[training_row.row.prompt] = []
            bundles.append(bundle)
        bundle.append(training_row)
    return bundles


def _length(bundle: Sequence[TrainingRow]) -> int:
    return len(bundle[0].row.prompt) + sum(len(each.row.completion) for each in bundle)


def _pack(batch: Sequence[Sequence[TrainingRow]], temperature: float) -> Pack:
    width = max(map(_length, batch))
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    positions, segments = torch.zeros_like(ids), torch.full_like(ids, -1)
    source: list[int] = []
    target: list[int] = []
    old: list[float] = []
    advantage: list[float] = []
    weight: list[float] = []
    span: list[int] = []
    numbers: list[int] = []
    for line, bundle in enumerate(batch):
        prompt = bundle[0].row.prompt
        ids[line, : len(prompt)] = torch.tensor(prompt)
        positions[line, : len(prompt)] = torch.arange(len(prompt))
        segments[line, : len(prompt)] = 0
        start = len(prompt)
        for number, training_row in enumerate(bundle, 1):
            row = training_row.row
            end = start + len(row.completion)
            ids[line, start:end] = torch.tensor(row.completion)
            positions[line, start:end] = len(prompt) + torch.arange(end - start)
            segments[line, start:end] = number
            first_span = max(span, default=-1) + 1
            for at, wrote in enumerate(row.sampled):
                if not wrote:
                    continue
                before = start + at - 1 if at else len(prompt) - 1
                source.append(line * width + before)
                target.append(row.completion[at])
                old.append(row.logprobs[at])
                advantage.append(training_row.advantage[at])
                weight.append(training_row.weight[at])
                span.append(first_span + (training_row.span[at] if training_row.span else at))
                numbers.append(training_row.number)
            start = end
    return Pack(
        ids,
        positions,
        segments,
        torch.tensor(source),
        torch.tensor(target),
        torch.tensor(old),
        torch.tensor(advantage),
        torch.tensor(weight),
        torch.tensor(span),
        torch.tensor(numbers),
        temperature,
    )


def visible(segments: Tensor) -> Tensor:
    """Return which ids attend to which: to earlier ids of the prompt and of their own completion.

    Args:
        segments: Shape (B, S), see `Pack.segments`.

    Returns:
        Boolean, shape (B, 1, S, S). Every id attends to itself, padding too: no row is empty.
    """
    reader, read = segments[:, :, None], segments[:, None, :]
    width = segments.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool, device=segments.device).tril()
    mine = (read == 0) | (read == reader)
    itself = torch.eye(width, dtype=torch.bool, device=segments.device)
    return (((mine & (read >= 0)) & causal) | itself)[:, None]


def ends(segments: Tensor) -> list[list[int]]:
    """Return where the prompt and each completion of each sequence end.

    >>> ends(torch.tensor([[0, 0, 1, 1, 2, -1]]))
    [[2, 4, 5]]
    """
    return [line[line >= 0].bincount().cumsum(0).tolist() for line in segments]


def log_probabilities(model: Any, pack: Pack) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each id to learn from, and the entropy of its distribution.

    Args:
        model: A causal language model of transformers, or one in a PEFT wrapper.
        pack: The batch.

    Returns:
        Two tensors of shape (N,), fp32 or better; the entropy (in nats) has no gradient.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    context: dict[str, Any] = {}
    # A prompt with one completion needs no mask: padding on the right is attended to by padding.
    if pack.shared and inner.config._attn_implementation == IN_PIECES:
        context = {"ends": ends(pack.segments), "position_ids": pack.positions}
    elif pack.shared:
        seen = visible(pack.segments)
        bias = torch.zeros(seen.shape, dtype=torch.float32, device=seen.device)
        bias = bias.masked_fill(~seen, -math.inf).to(inner.dtype)
        context = {"attention_mask": bias, "position_ids": pack.positions}
    hidden = inner.base_model(input_ids=pack.ids, use_cache=False, **context).last_hidden_state
    hidden = hidden.flatten(0, 1)[pack.source]
    head = inner.get_output_embeddings()

    def of_targets(hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        logits = head(hidden)
        # Tests check gradients in float64.
        logits = logits if logits.dtype == torch.float64 else logits.float()
        logs = (logits / pack.temperature).log_softmax(-1)
        with torch.no_grad():
            entropy = -(logs.exp() * logs).sum(-1)
        return logs.gather(-1, target[:, None])[:, 0], entropy

    size = max(1, LOGITS_AT_ONCE // head.weight.shape[0])
    if len(pack.target) <= size:
        return of_targets(hidden, pack.target)
    parts = [
        checkpoint(of_targets, some, ids, use_reentrant=False)
        for some, ids in zip(torch.split(hidden, size), torch.split(pack.target, size), strict=True)
    ]
    return torch.cat([logs for logs, _ in parts]), torch.cat([entropy for _, entropy in parts])
