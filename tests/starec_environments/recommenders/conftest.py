import numpy as np
import pytest
from scipy.sparse import csr_matrix

from starec_sim.dataset import Interactions

N_USERS, N_ITEMS = 60, 40


@pytest.fixture(scope="session")
def log() -> Interactions:
    """Two tastes: even users like even items, odd users odd ones; the last five users did nothing.

    Item 39 was rated by nobody.
    """
    rng = np.random.default_rng(3)
    users, items, ratings = [], [], []
    for user in range(N_USERS - 5):
        chosen = rng.choice(N_ITEMS - 1, size=18, replace=False)
        for item in chosen:
            users.append(user)
            items.append(item)
            ratings.append(5.0 if item % 2 == user % 2 else 1.0 + (item % 3))
    return Interactions(np.array(users), np.array(items), np.array(ratings), np.arange(len(users)))


@pytest.fixture(scope="session")
def seen(log: Interactions) -> csr_matrix:
    return csr_matrix((np.ones(len(log.users)), (log.users, log.items)), shape=(N_USERS, N_ITEMS))
