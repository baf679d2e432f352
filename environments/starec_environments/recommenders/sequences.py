"""Sequence models: which item a user likes next, given what she liked before, in order.

A network turns the last likes of a user into a vector. The score of an item is the product of that
vector and the vector of the item. New likes are read at once; the network changes only with a fit.
Torch is needed only where a network is fitted or reads.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from starec_environments.recommenders.factors import FactorRecommender
from starec_environments.recommenders.sequence_settings import GRU4RecSettings, SASRecSettings
from starec_sim.dataset import Interactions
from starec_sim.errors import PluginError
from starec_sim.types import LIKED_ABOVE, IntArray

NOTHING = -1
"""Padding behind the last like of a shorter sequence."""


class SequenceRecommender(FactorRecommender):
    """Reads likes in the order of their times, and those of one time in the order of the log.

    An item that a user likes twice is in her sequence twice.
    """

    config: Any
    sequences: NDArray[np.int32]
    """The last likes of each user, oldest first, then `NOTHING`: shape (n_users, length)."""
    parameters: Mapping[str, NDArray[np.float32]]
    """The weights of the network by name; empty where no user has two likes."""

    def fit(self, log: Interactions) -> None:
        """Learn from the positives of the whole log, forgetting what was learned before."""
        self._likes = _in_order(log)
        super().fit(log)
        del self._likes

    def observe(self, events: Interactions) -> None:
        """Add the new likes to the sequences, and compute the vectors of their users again."""
        likes = _in_order(events)
        readers, starts = np.unique(likes.users, return_index=True)
        if not len(readers):
            return
        # Earlier states must not change, so nothing is written in place.
        self.sequences = self.sequences.copy()
        for user, new in zip(readers, np.split(likes.items, starts[1:]), strict=True):
            known = self.sequences[user]
            known = np.concatenate([known[known != NOTHING], new])[-self.config.length :]
            self.sequences[user, : len(known)] = known
        if self.parameters:
            self.user_factors = self.user_factors.copy()
            self.user_factors[readers] = self._user_vectors(self.sequences[readers])
            self.warm = self.warm.copy()
            self.warm[readers] = True

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the factors, the sequences, and the weights of the network."""
        network = {f"network/{name}": values for name, values in self.parameters.items()}
        return {**super().state(), "sequences": self.sequences, **network}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take factors, sequences and weights from a state."""
        super().restore(state)
        self.sequences = np.array(state["sequences"])
        self.parameters = {
            name.removeprefix("network/"): np.array(values)
            for name, values in state.items()
            if name.startswith("network/")
        }

    def _learn(self, liked: csr_matrix) -> None:
        self.sequences = _last(self._likes, self.n_users, self.config.length)
        pieces = _pieces(self._likes, self.config.length)
        self.parameters = {}
        if not len(pieces):  # no user has two likes
            self._zero_factors()
            self.warm = np.zeros(self.n_users, bool)
            return
        self.parameters = _networks().train(self._network, pieces, self.config, self.seed)
        of_items = (self.parameters["items.weight"], self.parameters["appeal"])
        self.item_factors = np.column_stack(of_items)
        self.user_factors = np.zeros((self.n_users, self.item_factors.shape[1]), np.float32)
        known = np.flatnonzero(self.warm)
        self.user_factors[known] = self._user_vectors(self.sequences[known])

    def _user_vectors(self, sequences: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the vectors of users, each with a 1 as the factor of the item's bias."""
        vectors = _networks().read(self._network, self.parameters, sequences)
        return np.column_stack([vectors, np.ones(len(vectors), np.float32)])

    @abstractmethod
    def _network(self) -> Any:
        """Return a fresh network, see `networks.Network`."""


class GRU4Rec(SequenceRecommender):
    """A recurrent network over the likes, see `networks.GRUNetwork`.

    Hidasi et al. (2016), "Session-based recommendations with recurrent neural networks", with the
    loss and the shared item vectors of Hidasi and Karatzoglou (2018).
    """

    Config = GRU4RecSettings
    config: GRU4RecSettings

    def _network(self) -> Any:
        return _networks().GRUNetwork(self.n_items, self.config)


class SASRec(SequenceRecommender):
    """Self-attention over the likes, see `networks.AttentionNetwork`.

    Kang and McAuley (2018), "Self-attentive sequential recommendation", with the loss of Klenitskiy
    and Vasilev (2023), "Turning dross into gold loss: is BERT4Rec really better than SASRec?".
    """

    Config = SASRecSettings
    config: SASRecSettings

    def _network(self) -> Any:
        return _networks().AttentionNetwork(self.n_items, self.config)


def _networks() -> ModuleType:
    """Import what needs torch.

    Raises:
        PluginError: Torch is not installed.
    """
    try:
        from starec_environments.recommenders import networks
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise PluginError(
            "the recommenders gru4rec and sasrec need torch, which is not installed",
            hint="pip install torch",
        ) from None
    return networks


class _Likes(NamedTuple):
    """Likes, sorted by user and then by time."""

    users: IntArray
    items: IntArray


def _in_order(log: Interactions) -> _Likes:
    likes = log.where(~(log.ratings <= LIKED_ABOVE))
    order = np.lexsort((likes.times, likes.users))  # stable
    return _Likes(likes.users[order], likes.items[order])


def _last(likes: _Likes, n_users: int, length: int) -> NDArray[np.int32]:
    """Return the last `length` likes of each user, see `SequenceRecommender.sequences`."""
    ends = np.cumsum(np.bincount(likes.users, minlength=n_users))
    starts = np.concatenate([[0], ends[:-1]])
    columns = np.arange(len(likes.users)) - np.maximum(starts, ends - length)[likes.users]
    kept = columns >= 0
    sequences = np.full((n_users, length), NOTHING, np.int32)
    sequences[likes.users[kept], columns[kept]] = likes.items[kept]
    return sequences


def _pieces(likes: _Likes, length: int) -> NDArray[np.int32]:
    """Cut each user's likes, from the last to the first, into pieces that a fit learns from.

    Returns:
        Shape (pieces, length + 1): the like before the piece, then the piece, then `NOTHING` where
        the piece is a user's first and shorter. Each like but a user's first is predicted once.
    """
    counts = np.bincount(likes.users)
    ends = np.cumsum(counts)
    pieces = -(-np.maximum(counts - 1, 0) // length)
    owners = np.repeat(np.arange(len(counts)), pieces)
    number = np.arange(len(owners)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    stops = ends[owners] - number * length
    firsts = np.maximum(stops - length - 1, (ends - counts)[owners])
    places = firsts[:, None] + np.arange(length + 1)
    within = places < stops[:, None]
    return np.where(within, likes.items[np.where(within, places, 0)], NOTHING).astype(np.int32)
