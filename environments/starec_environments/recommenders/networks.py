"""The two networks that read sequences of likes, and their training. Needs torch.

Both give each item i a vector e_i and an appeal b_i, and turn what a user liked up to time t into a
vector h_t; the score of an item is r_ti = h_t . e_i + b_i, and the like that came next is learned
as a choice among the items (cross-entropy):

    L = - mean_t log( exp(r_t,next) / sum_i exp(r_ti) )

The sum runs over the catalogue, or over the like and a uniform sample where that is large.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from starec_environments.recommenders.sequence_settings import (
    GRU4RecSettings,
    SASRecSettings,
    SequenceSettings,
)

_WARM_UP = 20
"""Updates over which the learning rate rises."""
_READ_AT_ONCE = 256
"""Sequences that are read in one pass."""

Parameters = Mapping[str, NDArray[np.float32]]


class Network(nn.Module, ABC):
    """A network with a vector of each item that turns sequences of likes into vectors."""

    def __init__(self, n_items: int, config: SequenceSettings) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, config.dimensions)
        nn.init.normal_(self.items.weight, std=config.dimensions**-0.5)
        self.appeal = nn.Parameter(torch.zeros(n_items))
        self.dropout = nn.Dropout(config.dropout)

    @abstractmethod
    def forward(self, likes: Tensor) -> Tensor:
        """Return h of every position, shape (n, t, dimensions), from likes of shape (n, t).

        The vector at a position may depend only on this position and those before it.
        """


class GRUNetwork(Network):
    """GRU4Rec: a gated recurrent network (Hidasi et al., 2016, equations 2 to 5).

        z_t = sigmoid(W_z e_t + U_z s_t-1)              r_t = sigmoid(W_r e_t + U_r s_t-1)
        s_t = (1 - z_t) s_t-1 + z_t tanh(W e_t + U (r_t * s_t-1))            h_t = W_h s_t

    The vectors that are read and those that are scored are the same ("constrained embeddings",
    Hidasi and Karatzoglou, 2018, "Recurrent neural networks with top-k gains").
    """

    def __init__(self, n_items: int, config: GRU4RecSettings) -> None:
        super().__init__(n_items, config)
        size = config.dimensions
        self.gru = nn.GRU(size, size, config.layers, batch_first=True)
        self.out = nn.Linear(size, size)

    def forward(self, likes: Tensor) -> Tensor:
        """Return the hidden vector of each position, shape (n, t, dimensions)."""
        states, _ = self.gru(self.dropout(self.items(likes)))
        hidden: Tensor = self.out(self.dropout(states))
        return hidden


class AttentionNetwork(Network):
    """SASRec: causal self-attention (Kang and McAuley, 2018, equations 1 to 5).

    With N for a layer norm, D for dropout, positions p learned, Q, K, V linear in N(x), and the two
    lines in the middle repeated `layers` times:

        x = D(e + p_t)
        x = x + D(softmax(Q K' / sqrt(d) + causal mask) V W_o)
        x = x + D(W_2 D(relu(W_1 N(x))))
        h = N(x)
    """

    def __init__(self, n_items: int, config: SASRecSettings) -> None:
        super().__init__(n_items, config)
        self.places = nn.Parameter(torch.randn(config.length, config.dimensions))
        with torch.no_grad():
            self.places.mul_(config.dimensions**-0.5)
        self.layers = nn.ModuleList(_AttentionLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dimensions)

    def forward(self, likes: Tensor) -> Tensor:
        """Return the hidden vector of each position, shape (n, t, dimensions)."""
        hidden = self.dropout(self.items(likes) + self.places[: likes.shape[1]])
        for layer in self.layers:
            hidden = layer(hidden)
        normed: Tensor = self.norm(hidden)
        return normed


class _AttentionLayer(nn.Module):
    """Self-attention, then a network for each position by itself, each around a residual path."""

    def __init__(self, config: SASRecSettings) -> None:
        super().__init__()
        size, self.heads = config.dimensions, config.heads
        self.norm_attention, self.norm_place = nn.LayerNorm(size), nn.LayerNorm(size)
        self.queries_keys_values = nn.Linear(size, 3 * size)
        self.attended = nn.Linear(size, size)
        self.inner, self.outer = nn.Linear(size, size), nn.Linear(size, size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        n, t, size = x.shape
        split = self.queries_keys_values(self.norm_attention(x)).view(n, t, 3, self.heads, -1)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + self.dropout(self.attended(seen.transpose(1, 2).reshape(n, t, size)))
        inner = self.dropout(functional.relu(self.inner(self.norm_place(x))))
        out: Tensor = x + self.dropout(self.outer(inner))
        return out


def train(
    build: Callable[[], Network], pieces: NDArray[np.int32], config: SequenceSettings, seed: int
) -> Parameters:
    """Fit a fresh network to pieces of logs and return what it learned.

    Args:
        build: Returns the network.
        pieces: Shape (pieces, length + 1); each like is predicted from those before it in its
            piece. Negative where a piece is over.
        config: The schedule.
        seed: Of the first weights, the order of pieces, the negatives and the dropout.
    """
    rng = np.random.default_rng(seed)
    updates = max(config.updates, config.epochs * math.ceil(len(pieces) / config.batch))
    with _reproducible(seed):
        network = build()
        optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda update: (
                min(1.0, (update + 1) / _WARM_UP)
                * (1 + math.cos(math.pi * min(1.0, update / updates)))
                / 2
            ),
        )
        for batch in _batches(len(pieces), config.batch, updates, rng):
            loss = _loss(network, torch.from_numpy(pieces[batch]).long(), config.negatives, rng)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return {name: values.numpy() for name, values in network.state_dict().items()}


def read(
    build: Callable[[], Network], parameters: Parameters, sequences: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the vector at the last like of each sequence.

    Args:
        build: Returns the network.
        parameters: What `train` returned.
        sequences: Shape (n, length), at least one like each; negative behind the last.
    """
    vectors = []
    with _reproducible(0), torch.no_grad():
        network = build().eval()
        network.load_state_dict({name: torch.tensor(p) for name, p in parameters.items()})
        for start in range(0, len(sequences), _READ_AT_ONCE):
            some = torch.from_numpy(sequences[start : start + _READ_AT_ONCE]).long()
            ends = (some >= 0).sum(1) - 1
            vectors.append(network(some.clamp(min=0))[torch.arange(len(some)), ends])
    return np.asarray(torch.cat(vectors).numpy())


def _loss(network: Network, pieces: Tensor, negatives: int, rng: np.random.Generator) -> Tensor:
    before, after = pieces[:, :-1].clamp(min=0), pieces[:, 1:]
    real = after >= 0
    hidden, liked = network(before)[real], after[real]
    vectors, appeal = network.items.weight, network.appeal
    if len(vectors) <= negatives:
        return functional.cross_entropy(hidden @ vectors.T + appeal, liked)
    drawn = torch.from_numpy(rng.integers(len(vectors), size=negatives))
    right = (hidden * vectors[liked]).sum(1, keepdim=True) + appeal[liked, None]
    others = hidden @ vectors[drawn].T + appeal[drawn]
    others = others.masked_fill(liked[:, None] == drawn, -torch.inf)
    scores = torch.cat([right, others], dim=1)
    return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


def _batches(
    count: int, size: int, updates: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield `updates` batches of indices: every piece once, in random order, then again."""
    done = 0
    while True:
        order = rng.permutation(count)
        for start in range(0, count, size):
            if done == updates:
                return
            yield order[start : start + size]
            done += 1


@contextmanager
def _reproducible(seed: int) -> Iterator[Any]:
    """Seed torch and set it to one thread, so that sums round the same way; undone at the end."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
