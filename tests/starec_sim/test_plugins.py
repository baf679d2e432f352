from importlib.metadata import EntryPoint
from typing import Annotated

import pytest
from pydantic import Field

from starec_sim import plugin_registry
from starec_sim.errors import ConfigError, DeprecatedKeyWarning, PluginError
from starec_sim.plugins import Spec, Uses, configure, load, registered, spec_or
from starec_sim.settings import Settings


class Inner:
    class Config(Settings):
        factors: int = Field(default=8, ge=1)


class Outer:
    class Config(Settings):
        inner: Annotated[Spec, spec_or(f"{__name__}:Inner"), Uses("recommenders")] = Field(
            default={"use": "random"}
        )
        maybe: Annotated[Spec | None, Uses("recommenders")] = None


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.py"):
        (tmp_path / name).write_text(text)
        return f"{tmp_path / name}:Mine"

    return write


def problem_of(*arguments):
    with pytest.raises(PluginError) as raised:
        load(*arguments)
    assert raised.value.hint
    return raised.value.message


class TestLoading:
    def test_an_old_name_works_and_a_warning_names_the_new_one(self):
        with pytest.warns(DeprecatedKeyWarning, match="environment exam is now called holdout"):
            assert load("environments", "exam") is load("environments", "holdout")

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("agents", "star"),
            ("environments", "feed"),
            ("environments", "ranking"),
            ("datasets", "synthetic"),
            ("recommenders", "als"),
            ("policies", "lexical"),
            ("data", "detect"),
        ],
    )
    def test_what_ships_goes_by_its_name(self, kind, name):
        assert callable(load(kind, name))

    def test_everything_registered_loads(self):
        for kind in (
            "agents",
            "environments",
            "datasets",
            "recommenders",
            "policies",
            "data",
            "holdout",
        ):
            for name in registered(kind):
                load(kind, name)

    def test_a_class_of_a_module(self):
        assert load("recommenders", "collections:Counter").__name__ == "Counter"

    def test_a_class_of_a_file_is_imported_once(self, write):
        reference = write("class Mine: pass")
        assert load("environments", reference) is load("environments", reference)

    def test_files_of_one_name_are_different_modules(self, tmp_path):
        found = []
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "mine.py").write_text(f"class Mine: folder = {folder!r}")
            found.append(load("environments", f"{tmp_path / folder / 'mine.py'}:Mine").folder)
        assert found == ["one", "two"]

    def test_an_unknown_name_is_an_error_with_the_nearest_one(self):
        assert problem_of("environments", "rankin", "environment.use") == (
            'environment.use: no environment is called "rankin"; did you mean "ranking"?'
        )
        assert 'no policy is called "x"' in problem_of("policies", "x")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("class Mine\n  pass", "SyntaxError"),
            (
                "x = 1\nimport nothing_of_that_name",
                "No module named 'nothing_of_that_name' (line 2)",
            ),
            ("1 / 0", "ZeroDivisionError: division by zero (line 1)"),
            ("import sys; sys.exit(3)", "SystemExit: 3"),
        ],
    )
    def test_a_file_that_cannot_be_imported_is_an_error_that_says_where(self, write, text, said):
        message = problem_of("environments", write(text))
        assert "mine.py" in message
        assert said in message

    def test_a_file_that_was_mended_can_be_imported(self, write):
        problem_of("environments", write("1 / 0"))
        load("environments", write("class Mine: pass"))

    def test_a_missing_class_is_an_error_with_the_nearest_one(self, write):
        assert problem_of("environments", write("class Mime: pass")).endswith(
            'mine.py has no Mine; did you mean "Mime"?'
        )

    @pytest.mark.parametrize(
        "reference",
        ["nowhere.py:X", "nothing_there:X", "a:b:C", ":X", "json:", "/:X", "../x:Y", "json:1"],
    )
    def test_a_reference_that_leads_nowhere_is_an_error(self, reference):
        problem_of("environments", reference)

    def test_a_name_of_two_distributions_is_an_error_for_that_name_only(self, monkeypatch):
        group = "starec_sim.recommenders"
        points = (
            EntryPoint("als", "one:ALS", group),
            EntryPoint("als", "two:ALS", group),
            EntryPoint("fine", "collections:Counter", group),
        )
        monkeypatch.setattr(plugin_registry, "entry_points", lambda group: points)
        registered.cache_clear()
        try:
            assert "registered twice: one:ALS and two:ALS" in problem_of("recommenders", "als")
            assert load("recommenders", "fine").__name__ == "Counter"
        finally:
            registered.cache_clear()


class TestConfiguring:
    def test_settings_are_validated(self):
        found, config = configure("recommenders", {"use": f"{__name__}:Inner", "factors": 3}, "r")
        assert found is Inner or found.__name__ == "Inner"
        assert config.factors == 3

    def test_a_wrong_setting_is_named_with_its_place(self):
        with pytest.raises(ConfigError, match=r"^arms.a.r.factrs: there is no such key; did you"):
            configure("recommenders", {"use": f"{__name__}:Inner", "factrs": 3}, "arms.a.r")

    @pytest.mark.parametrize(
        "text",
        ["class Mine: pass", "class Mine:\n  Config = dict", "def Mine(): pass", "Mine = 3"],
    )
    def test_a_class_without_a_config_is_an_error(self, write, text):
        with pytest.raises(PluginError, match="has no `Config`"):
            configure("environments", {"use": write(text)}, "environment")

    def test_a_plug_in_inside_a_plug_in_is_validated_too(self):
        outer = {"use": f"{__name__}:Outer"}
        _, config = configure("environments", {**outer, "inner": {"factors": 2}}, "e")
        assert config.inner == {"use": f"{__name__}:Inner", "factors": 2}
        with pytest.raises(ConfigError, match=r"^e.inner.factors: must be greater"):
            configure("environments", {**outer, "inner": {"factors": 0}}, "e")
        with pytest.raises(PluginError, match=r"^e.maybe.use: no recommender is called"):
            configure("environments", {**outer, "maybe": "alz"}, "e")

    @pytest.mark.parametrize("spec", [3, None, {}, {"use": 3}, {"factors": 3}, ["als"]])
    def test_a_spec_that_names_nothing_is_an_error(self, spec):
        with pytest.raises(ConfigError, match="must be the name of a plug-in"):
            configure("environments", {"use": f"{__name__}:Strict", "inner": spec}, "e")


class Strict:
    class Config(Settings):
        inner: Spec
