"""A feed of equal items, ways to act on a page, and what to ask of visits and states."""

from dataclasses import dataclass

import numpy as np

from starec_sim.types import Action, Decision

RECOMMENDERS = ["als", "bpr", "ease", "item-knn", "popularity", "random"]


@dataclass(frozen=True)
class EqualItems:
    """A world in which every user gives every item the same stars."""

    stars: float = 5.0
    source = "world"

    def ratings(self, user, items, round):
        return np.full(len(items), self.stars)


def watch_all(user, round, shown):
    return Decision(actions=tuple(Action(item, "watch", 5.0) for item in shown.slate))


def skip_all(user, round, shown):
    return Decision(actions=tuple(Action(item, "skip") for item in shown.slate))


def shown_in(visit):
    return [item for step in visit.steps for item in step.observation.slate]


def watched_in(visit):
    return [a.item for step in visit.steps for a in step.decision.actions if a.done]


def endings(visits):
    return {visit.steps[-1].feedback.ending for visit in visits}


def same_arrays(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k], True) for k in one)


def copied(state):
    return {name: array.copy() for name, array in state.items()}


def equal_items(make, stars=5.0, n_users=4, n_items=60):
    """Make a dataset in which every user has met the first ten items."""
    rows = [(user, item, stars) for item in range(10) for user in range(n_users)]
    return make(rows, n_items, world=EqualItems(stars))
