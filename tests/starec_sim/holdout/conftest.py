"""Small datasets that can be checked by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from starec_sim.dataset import Dataset, Interactions
from starec_sim.types import Item, User

N_ITEMS = 60


def _make(rows: list[tuple[int, int, float]], n_users: int = 0, **more: Any) -> Dataset:
    """Make a dataset of (user, item, stars) rows in order of time."""
    users, items, ratings = (np.array(column) for column in zip(*rows, strict=True))
    n_users = n_users or int(users.max()) + 1
    return Dataset(
        "made up",
        tuple(User(f"u{user}") for user in range(n_users)),
        tuple(Item(f"i{item}", f"Title {item}") for item in range(N_ITEMS)),
        Interactions(users, items, ratings.astype(float), np.arange(len(rows))),
        **more,
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., Dataset]:
    return _make


@pytest.fixture
def log() -> Dataset:
    """Twelve users with 14 items each, some liked; the last row of each is disliked."""
    rng = np.random.default_rng(3)
    seen = [rng.permutation(N_ITEMS)[:14].tolist() for _ in range(12)]
    rows = [
        (user, seen[user][nth], 5.0 if (nth + user) % 3 and nth < 13 else 2.0)
        for nth in range(14)
        for user in range(12)
    ]
    return _make(rows)
