"""Part of a dataset: rows are renumbered, ids stay."""

import numpy as np
import pytest

from starec_sim.dataset import ChoiceTruth
from starec_sim.holdout.subset import part


class Products:
    """A world in which user 3 gives item 7 a rating of 21."""

    source = "world"

    def ratings(self, user, items, round):
        return float(user) * items


class Sums(Products):
    """A world that also knows the choice probabilities of its users."""

    def appeal(self, user, items, round):
        return user + items


def mask(count, *rows):
    return np.isin(np.arange(count), rows)


@pytest.fixture
def whole(make):
    """Three users and sixty items."""
    return lambda **more: make([(0, 0, 5.0), (1, 2, 4.0), (2, 3, 3.0), (1, 1, 2.0)], **more)


def test_candidates_and_truth_follow_whom_they_belong_to(whole):
    data = whole(world=Products(), candidates={1: (3, 2), 2: (1,)})
    kept = part(data, mask(3, 1, 2), mask(60, 0, 2, 3))
    assert kept.candidates == {0: (2, 1), 1: ()}
    assert [kept.items[item].id for item in kept.candidates[0]] == ["i3", "i2"]
    assert kept.log.users.tolist() == [0, 1] and kept.log.items.tolist() == [1, 2]
    assert kept.world.ratings(1, np.array([1, 2]), 0).tolist() == [4.0, 6.0]
    assert kept.world.source == "world"
    assert not isinstance(kept.world, ChoiceTruth)


def test_a_world_that_knows_how_people_choose_still_knows_it_of_a_part(whole):
    kept = part(part(whole(world=Sums()), mask(3, 1, 2)), mask(2, 1))
    assert isinstance(kept.world, ChoiceTruth)
    assert kept.world.appeal(0, np.array([1, 2]), 0).tolist() == [3, 4]
