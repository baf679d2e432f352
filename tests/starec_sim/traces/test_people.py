from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import RunError
from starec_sim.runs import aggregates
from starec_sim.runs.run_tables import read_run
from starec_sim.traces.people import PeopleQuery, read_people, read_person
from starec_sim.traces.traits import MAX_VALUES, trait_labels
from starec_sim.types import User


@pytest.fixture
def trial(reader):
    return reader.trial("loop", None)


def listed(reader, trial, **query):
    return [row.user for row in read_people(reader, trial, PeopleQuery(**query)).rows]


def test_counts_are_those_of_the_steps(feed, reader, trial):
    steps = [step for step in read_run(feed).steps() if step.arm == "loop"]
    count = Counter(step.user for step in steps)
    watched = Counter(step.user for step in steps for _ in step.watched)
    slow = Counter(step.user for step in steps if step.slow)
    stars = Counter()
    for step in steps:
        stars[step.user] += sum(step.ratings.values())
    for row in read_people(reader, trial).rows:
        assert row.steps == count[row.user]
        assert row.chosen == watched[row.user]
        assert row.visits == len({step.round for step in steps if step.user == row.user})
        if row.chosen:
            assert row.mean_rating == pytest.approx(stars[row.user] / row.chosen)
        if row.steps:
            assert row.slow_share == slow[row.user] / row.steps
        lefts = [s.round + 1 for s in steps if s.user == row.user and s.ending == "left"]
        assert row.left_round == (max(lefts) if lefts else None)


def test_sparks_are_the_metric_of_each_round(feed, reader, trial):
    found = read_people(reader, trial)
    assert found.spark == "satisfaction"
    values = {
        (visit.user, visit.round): visit.value
        for visit in read_run(feed).visits()
        if visit.arm == "loop" and visit.metric == "satisfaction"
    }
    for row in found.rows:
        assert list(row.spark) == [values.get((row.user, round)) for round in range(3)]


def test_people_are_sorted_by_a_column_and_those_without_a_value_are_last(reader, trial):
    rows = read_people(reader, trial, PeopleQuery(sort="mean_rating", descending=True)).rows
    known = [row.mean_rating for row in rows if row.mean_rating is not None]
    assert known == sorted(known, reverse=True)
    assert all(row.mean_rating is None for row in rows[len(known) :])
    ages = [
        float(row.profile["age"]) for row in read_people(reader, trial, PeopleQuery("age")).rows
    ]
    assert ages == sorted(ages)


def test_people_are_filtered_and_paged(reader, trial):
    women = listed(reader, trial, where=(("gender", "F"),))
    men = listed(reader, trial, where=(("gender", "M"),))
    everybody = listed(reader, trial)
    assert women and men and sorted(women + men) == sorted(everybody)
    assert [*listed(reader, trial, limit=5), *listed(reader, trial, offset=5)] == everybody
    assert listed(reader, trial, q=everybody[3]) and listed(reader, trial, q="no such text") == []


def test_people_are_filtered_by_their_counts(reader, trial):
    everybody = read_people(reader, trial)
    for name in ("visits", "left_round", "flaws"):
        counts = Counter(getattr(row, name) for row in everybody.rows)
        for value, people in counts.items():
            if value is not None:
                found = read_people(reader, trial, PeopleQuery(where=((name, str(value)),)))
                assert found.total == people
    assert listed(reader, trial, where=(("visits", "many"),)) == []


def test_those_who_never_visited_come_last(reader, trial, monkeypatch):
    everybody = listed(reader, trial)
    counts = aggregates.person_counts(reader.db, trial.number)
    only = [found for found in counts if found.user in (3, 5)]
    monkeypatch.setattr(aggregates, "person_counts", lambda db, number: only)
    found = read_people(reader, trial)
    assert (found.total, found.visited) == (len(everybody), 2)
    assert [row.visits > 0 for row in found.rows] == [True] * 2 + [False] * (found.total - 2)
    assert [row.user for row in found.rows[2:]] == [
        user for user in everybody if user not in {row.user for row in found.rows[:2]}
    ]


def test_an_unknown_column_is_named(reader, trial):
    with pytest.raises(RunError, match='people have no "mean_ratin"; did you mean "mean_rating"'):
        listed(reader, trial, sort="mean_ratin")
    with pytest.raises(RunError, match='people have no "gendr"; did you mean "gender"'):
        listed(reader, trial, where=(("gendr", "F"),))


def test_a_person_has_all_her_steps(feed, reader, trial):
    for row in read_people(reader, trial).rows:
        person = read_person(reader, trial, row.user)
        steps = [step for visit in person.visits for step in visit.steps]
        assert len(steps) == row.steps
        assert sum(len(step.chosen) for step in steps) == row.chosen
        assert all(set(step.chosen) <= {item.id for item in step.slate} for step in steps)
        recorded = [s for s in read_run(feed).steps() if s.arm == "loop" and s.user == row.user]
        assert person.summary_now == (recorded[-1].summary if recorded else "")


VALUES = st.one_of(
    st.lists(st.integers(-50, 500).map(str), min_size=1, max_size=60),
    st.lists(st.text(max_size=3), min_size=1, max_size=60),
)


@given(VALUES)
def test_every_user_has_one_of_few_classes(values):
    users = {row: User(f"u{row}", {"trait": value}) for row, value in enumerate(values)}
    labels = trait_labels(users, "trait")
    assert labels.keys() == users.keys()
    assert len(set(labels.values())) <= MAX_VALUES
    for row, label in labels.items():
        low, to, high = label.partition(" to ")
        if to:
            assert float(low) <= float(values[row]) <= float(high)


def test_a_trait_that_a_user_lacks_gives_her_no_class():
    users = {0: User("a", {"age": "3"}), 1: User("b")}
    assert trait_labels(users, "age") == {0: "3"}
