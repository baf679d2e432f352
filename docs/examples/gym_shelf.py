"""A Gymnasium environment that shows slates; users of ours can live in it."""

import gymnasium
import numpy as np
from gymnasium.spaces import Dict, MultiBinary, MultiDiscrete

from starec_sim import Item

TITLES = ("Dune", "Emma", "Ulysses", "Hamlet", "Beowulf", "Walden", "Candide", "Faust")


class Shelf(gymnasium.Env):
    """Three books a page; a user loves those of one cover."""

    observation_space = Dict({"slate": MultiDiscrete([len(TITLES)] * 3)})
    action_space = MultiBinary(3)  # borrow or not

    def __init__(self):
        self.items = [
            Item(title.lower(), title, {"cover": (("blue", "red")[row % 2],)})
            for row, title in enumerate(TITLES)
        ]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.loved = self.np_random.integers(2)  # nobody is told
        self.page = 0
        return self._page(), {"context": "your bag is empty"}

    def step(self, action):
        stars = [5.0 if row % 2 == self.loved else 2.0 for row in self.slate]
        reward = float(np.dot(action, np.array(stars) - 3.0))
        self.page += 1
        info = {"stars": stars, "context": f"page {self.page + 1} of 6"}
        return self._page(), reward, self.page == 6, False, info

    def _page(self):
        self.slate = self.np_random.choice(len(TITLES), 3, replace=False)
        return {"slate": self.slate}
