"""Who is of which kind, and what is wrong with the settings of a population."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import ConfigError, ContractWarning
from starec_sim.experiment import Experiment
from starec_sim.population.calibration import calibration_users
from starec_sim.population.kinds import checked_kinds, kinds_of
from starec_sim.population.settings import CalibrationSettings, UserKind, check_calibration
from starec_sim.settings import validate
from starec_sim.types import User

HALVES = {"cheap": UserKind(share=0.5), "costly": UserKind(share=0.5)}
PEOPLE = [
    User(f"u{number}", {"segment": "heavy" if number % 4 == 0 else "light"})
    for number in range(200)
]


def message(**kinds):
    with pytest.raises(ConfigError) as failed:
        validate(Experiment, {"name": "a", "environment": "feed", "population": kinds}, "")
    return str(failed.value)


@given(st.lists(st.sampled_from(PEOPLE), unique_by=lambda user: user.id), st.integers(0, 2**40))
def test_a_person_keeps_her_kind_whoever_else_is_there(people, seed):
    of_all = dict(zip((p.id for p in PEOPLE), kinds_of(HALVES, PEOPLE, seed), strict=True))
    assert kinds_of(HALVES, people, seed) == [of_all[person.id] for person in people]


def test_shares_are_kept_and_seeds_draw_other_people():
    kinds = {"a": UserKind(share=0.9), "b": UserKind(share=0.09), "c": UserKind(share=0.01)}
    people = [User(f"person {number}") for number in range(20_000)]
    found, other = kinds_of(kinds, people, 1), kinds_of(kinds, people, 2)
    for name, kind in kinds.items():
        assert found.count(name) / 20_000 == pytest.approx(kind.share, abs=0.007)
    assert found != other


def test_a_condition_comes_before_shares_and_the_first_one_counts():
    kinds = {
        "rest": UserKind(share=1),
        "heavy": UserKind(when={"segment": "heavy"}),
        "nobody left": UserKind(when={"segment": "heavy"}),
    }
    found = kinds_of(kinds, PEOPLE, 0)
    assert found[:5] == ["heavy", "rest", "rest", "rest", "heavy"]
    with pytest.raises(ConfigError, match="an earlier kind may have all who do"):
        checked_kinds(kinds, PEOPLE, 0)


def test_a_number_of_a_condition_meets_the_text_of_a_profile():
    kinds = {"old": UserKind(when={"age": 70}), "rest": UserKind(share=1)}
    assert kinds_of(kinds, [User("a", {"age": "70"}), User("b")], 0) == ["old", "rest"]


def test_shares_that_do_not_add_up_are_named():
    assert "population: the shares add up to 0.95 (cheap 0.9, nano 0.05)" in message(
        cheap={"share": 0.9}, nano={"share": 0.05}
    )


@pytest.mark.parametrize(
    ("kind", "found"), [({}, "neither"), ({"share": 0.5, "when": {"age": 3}}, "both")]
)
def test_a_kind_has_either_a_share_or_a_condition(kind, found):
    said = message(cheap=kind)
    assert f"a kind has either a `share` or a condition `when`, and this one has {found}" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"population": {}}, "there is no `population` that has kinds"),
        ({"record": "metrics"}, "`record: metrics` keeps none"),
    ],
)
def test_a_calibration_that_would_find_nothing_is_refused(changes, said):
    halves = {"a": {"share": 0.5}, "b": {"share": 0.5}}
    values = {"name": "a", "environment": "feed", "population": halves}
    with pytest.raises(ConfigError, match=said):
        validate(Experiment, values | {"calibration": {"between": ["a", "b"]}} | changes, "")


def test_an_unknown_key_of_a_kind_is_named():
    said = message(cheap={"shares": 1})
    assert 'population.cheap.shares: there is no such key; did you mean "share"?' in said


def test_somebody_without_a_kind_is_named():
    with pytest.raises(ConfigError, match="user u1 meets the condition of no kind"):
        kinds_of({"heavy": UserKind(when={"segment": "heavy"})}, PEOPLE, 0)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"segmnt": "heavy"}, 'no user has a fact "segmnt"; did you mean "segment"'),
        ({"segment": "hevy"}, 'no user has the value "hevy"; did you mean "heavy"'),
    ],
)
def test_a_condition_that_meets_nobody_is_named(when, words):
    kinds = {"heavy": UserKind(when=when), "rest": UserKind(share=1)}
    with pytest.raises(ConfigError, match=words):
        checked_kinds(kinds, PEOPLE, 0)


def test_a_kind_without_users_is_named():
    kinds = {"all": UserKind(share=0.999999), "rare": UserKind(share=0.000001)}
    with pytest.warns(ContractWarning, match='none of 200 users is of kind "rare"'):
        checked_kinds(kinds, PEOPLE, 0)


def test_a_profile_with_the_name_of_the_recorded_fact_is_refused():
    with pytest.raises(ConfigError, match='have a fact "kind"'):
        checked_kinds(HALVES, [User("a", {"kind": "dog"})], 0)


def test_a_calibration_is_between_two_kinds_of_the_population():
    expected = r"two kinds of the population \(cheap, costly\), the cheap one and the costly one; "
    for between, found in (
        (["chaep", "costly"], 'there is no kind "chaep"; did you mean "cheap"?'),
        (["cheap", "nano"], 'there is no kind "nano"'),
        (["cheap", 3], 'there is no kind "3"'),
        (["cheap", "cheap"], '"cheap" stands there twice'),
        (["cheap"], "there is 1: cheap"),
        ("cheap", "there is 1: cheap"),
        (["cheap", "costly", "nano"], "there are 3: cheap, costly, nano"),
        ([], "there is none"),
        (None, "there is none"),
    ):
        settings = CalibrationSettings(between=between)
        with pytest.raises(ValueError, match=expected + re.escape(found) + "$"):
            check_calibration(HALVES, settings, "everything")


def test_a_larger_calibration_has_the_people_of_a_smaller_one():
    kinds = kinds_of(HALVES, PEOPLE, 3)
    few, more = (calibration_users(kinds, PEOPLE, 3, "cheap", n) for n in (10, 40))
    assert len(few) == 10 and len(more) == 40 and few < more
    assert {kinds[row] for row in more} == {"cheap"}
