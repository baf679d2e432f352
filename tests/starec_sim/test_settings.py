import math
from typing import ClassVar, Literal

import pytest
from pydantic import Field, field_validator

from starec_sim.errors import ConfigError, DeprecatedKeyWarning
from starec_sim.settings import Settings, current_key, current_values, validate


class Drift(Settings):
    at_round: int = 0
    share: float = 0.5


class Renamed(Settings):
    renamed: ClassVar[dict[str, str]] = {"old": "new"}
    new: int = 0


class Model(Settings):
    name: str
    users: int = Field(default=10, ge=1, le=100)
    mode: Literal["always", "never"] = "always"
    drift: Drift = Drift()
    later: Drift | None = None
    inner: Renamed = Renamed()
    steps: tuple[int, ...] = ()
    arms: dict[str, dict[str, int]] = Field(default={})

    @field_validator("name")
    @classmethod
    def _not_bob(cls, name: str) -> str:
        if name == "bob":
            raise ValueError("bob is taken")
        return name


def problem_of(at="", **values):
    with pytest.raises(ConfigError) as raised:
        validate(Model, {"name": "a", **values}, at)
    assert raised.value.hint
    return raised.value.message


def test_right_values_make_the_model():
    model = validate(Model, {"name": "a", "users": 3, "drift": {"at_round": 2}}, "")
    assert (model.users, model.drift.at_round, model.drift.share) == (3, 2, 0.5)


def test_an_unknown_key_is_named_with_the_nearest_one():
    assert problem_of(userz=3) == 'userz: there is no such key; did you mean "users"?'


def test_an_unknown_key_deep_inside_is_named_with_the_nearest_one_there():
    assert problem_of(drift={"at_rond": 3}) == (
        'drift.at_rond: there is no such key; did you mean "at_round"?'
    )
    assert "at_round" in problem_of(later={"at_rond": 3})


def test_where_no_key_is_near_all_are_listed():
    assert problem_of(drift={"zzz": 3}).endswith("known: at_round, share")


def test_the_key_is_dotted_from_where_the_values_stand():
    assert problem_of("arms.loop.data", userz=3).startswith("arms.loop.data.userz: ")


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"^data.name: this key is required"):
        validate(Model, {}, "data")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"users": "many"}, "users: must be a valid integer, got 'many'"),
        ({"users": 0}, "users: must be greater than or equal to 1, got 0"),
        ({"users": 1.5}, "users: must be a valid integer, got 1.5"),
        ({"users": None}, "users: must be a valid integer, got nothing"),
        ({"users": {"a": 1}}, "users: must be a valid integer, got keys (a)"),
        ({"mode": "often"}, "mode: must be 'always' or 'never', got 'often'"),
        ({"drift": 3}, "drift: must hold keys and values, got 3"),
        ({"drift": {"share": math.inf}}, "drift.share: must be a finite number, got inf"),
        ({"steps": [1, "x"]}, "steps.1: must be a valid integer, got 'x'"),
        ({"arms": {"a": 3}}, "arms.a: must hold keys and values, got 3"),
        ({"arms": {1: {}}}, 'arms.1: a key must be text; write "1" with its quotes'),
        ({"name": "bob"}, "name: bob is taken, got 'bob'"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(values, said):
    assert problem_of(**values) == said


def test_a_long_wrong_value_is_cut():
    assert len(problem_of(users="9" * 10_000)) < 200


def test_all_findings_are_told_at_once():
    assert len(problem_of(users=0, mode="often", nothing=1).splitlines()) == 3


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Drift().share = 0.1


class TestOldNames:
    def test_an_old_key_works_wherever_the_model_stands(self):
        with pytest.warns(DeprecatedKeyWarning, match="the key old is now called new"):
            model = validate(Model, {"name": "a", "inner": {"old": 3}}, "")
        assert model.inner.new == 3

    def test_values_and_dotted_keys_get_present_names(self):
        with pytest.warns(DeprecatedKeyWarning):
            assert current_values(Model, {"inner": {"old": 3}}) == {"inner": {"new": 3}}
        with pytest.warns(DeprecatedKeyWarning):
            assert current_key(Model, "inner.old") == "inner.new"

    @pytest.mark.parametrize("key", ["old", "inner.older", "drift.old", "arms.old", "nothing.old"])
    def test_other_keys_stay(self, key):
        assert current_key(Model, key) == key

    def test_both_names_are_an_error(self):
        said = problem_of(inner={"old": 3, "new": 3})
        assert said == "old is now called new, and both are there"

    def test_recorded_values_are_taken_without_a_warning(self, recwarn):
        values = {"name": "a", "inner": {"old": 3}}
        assert validate(Model, values, "", recorded=True).inner.new == 3
        assert not recwarn.list
