"""Invented people: no two facts of a profile contradict each other."""

import numpy as np

from starec_environments.datasets.synthetic import Synthetic
from starec_environments.datasets.synthetic_titles import OCCUPATIONS, occupation


def test_there_is_something_to_do_at_every_age() -> None:
    rng = np.random.default_rng(0)
    for age in range(14, 91):
        first, last = OCCUPATIONS[occupation(age, rng)]
        assert first <= age <= last


def test_nobody_is_retired_at_fifteen_or_studies_at_eighty() -> None:
    people = Synthetic(Synthetic.Config(users=700, items=40, interactions=1.0)).load().users
    ages = {}
    for person in people:
        ages.setdefault(person.profile["occupation"], []).append(int(person.profile["age"]))
    assert ages.keys() == OCCUPATIONS.keys()
    assert min(ages["retired"]) > 60 and max(ages["student"]) < 30
    assert all(min(ages[job]) >= 18 for job in ages if job != "student")
