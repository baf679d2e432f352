import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.errors import ConfigError
from starec_sim.yaml_files import dump, key_value, load, parse, put, put_all

TEXT = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3)
)


def problem_of(call, *arguments):
    with pytest.raises(ConfigError) as raised:
        call(*arguments)
    assert raised.value.hint
    return raised.value.message


class TestReading:
    def test_keys_and_values_come_back(self, tmp_path):
        (tmp_path / "a.yaml").write_text("a: {b: [1, 2.5, x]}\n")
        assert load(tmp_path / "a.yaml") == {"a": {"b": [1, 2.5, "x"]}}

    @settings(max_examples=25)
    @given(st.dictionaries(TEXT, VALUES))
    def test_what_was_dumped_is_parsed(self, values):
        assert parse(dump(values), "here") == values

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a: [1\n", "f.yaml is not valid YAML"),
            ("- a\n- b\n", "f.yaml must hold keys and values, not a list"),
            ("# nothing\n", "f.yaml must hold keys and values, not nothing"),
            ("just text", "f.yaml must hold keys and values, not a str"),
            ("a: 1\nb: 2\na: 3\n", 'f.yaml, line 3: the key "a" is there already'),
            ("x:\n- {a: 1, a: 2}\n", 'f.yaml, line 2: the key "a" is there already'),
            ("? [a, b]\n: 1\n", "f.yaml is not valid YAML"),
            ("a: &a [*a]\n", "holds an anchor (&) that refers to itself"),
            ('x: !!python/object/apply:os.system ["true"]\n', "f.yaml is not valid YAML"),
            ("a: 2026-13-45\n", "f.yaml is not valid YAML: month must be in 1..12"),
            ("a: " + "[" * 600, "f.yaml is not valid YAML"),
            ("a: 1\n---\nb: 2\n", "f.yaml is not valid YAML"),
        ],
    )
    def test_a_text_that_is_no_mapping_is_an_error(self, text, said):
        with pytest.raises(ConfigError) as raised:
            parse(text, "f.yaml")
        assert said in raised.value.message

    def test_merged_keys_may_be_overridden_however_often(self):
        text = "a: {b: &base {<<: &o {x: 1}, x: 2}, c: {<<: *base, x: 3}}\nd: {<<: *base, x: 4}\n"
        values = parse(text, "here")
        assert values == {"a": {"b": {"x": 2}, "c": {"x": 3}}, "d": {"x": 4}}

    def test_a_file_that_cannot_be_read_is_an_error(self, tmp_path):
        (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
        assert "cannot be read" in problem_of(load, tmp_path / "latin.yaml")
        assert "is a folder" in problem_of(load, tmp_path)
        assert "there is no file" in problem_of(load, tmp_path / "none.yaml", "make one")


class TestKeyValue:
    @pytest.mark.parametrize(
        ("text", "pair"),
        [
            ("a=3", ("a", 3)),
            (" a.b =x=y", ("a.b", "x=y")),
            ("a=", ("a", None)),
            ("a={b: [1]}", ("a", {"b": [1]})),
            ("a=5_000", ("a", 5000)),
        ],
    )
    def test_the_value_is_yaml(self, text, pair):
        assert key_value(text, "--set", "e.g. --set a=1") == pair

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("rounds", '--set "rounds" is not KEY=VALUE'),
            ("=3", '--set "=3" is not KEY=VALUE'),
            ("a..b=3", '--set "a..b=3" is not KEY=VALUE'),
            ("rounds=[1", '--set rounds: "[1" is not valid YAML'),
            ("day=2026-13-45", '--set day: "2026-13-45" is not valid YAML'),
            ("a={b: 1, b: 2}", '--set a: line 1: the key "b" is there already'),
        ],
    )
    def test_anything_else_is_an_error(self, text, said):
        assert problem_of(key_value, text, "--set", "e.g. --set a=1").startswith(said)


class TestPut:
    def test_a_dotted_key_reaches_inside(self):
        values = {"a": {"b": {"c": 1}}}
        put(values, "a.b.c", 2)
        assert values == {"a": {"b": {"c": 2}}}

    def test_what_is_not_there_is_made(self):
        values = {}
        put(values, "a.b", 1)
        assert values == {"a": {"b": 1}}

    def test_the_short_form_of_a_plug_in_becomes_the_long_one(self):
        values = {"data": "synthetic"}
        put(values, "data.users", 5)
        assert values == {"data": {"use": "synthetic", "users": 5}}

    def test_another_plug_in_drops_the_settings_of_the_one_before(self):
        values = {"recommender": {"use": "als", "factors": 8}}
        put(values, "recommender.use", "ease")
        assert values == {"recommender": {"use": "ease"}}

    def test_the_same_plug_in_keeps_its_settings(self):
        values = {"recommender": {"use": "als", "factors": 8}}
        put(values, "recommender.use", "als")
        assert values == {"recommender": {"use": "als", "factors": 8}}

    def test_a_key_that_leads_through_a_number_is_an_error(self):
        with pytest.raises(ConfigError, match=r"^arms.x.a.b.c: a.b is 3, which holds no keys"):
            put({"a": {"b": 3}}, "a.b.c", 1, "arms.x.")

    def test_two_keys_that_share_a_mapping_part_ways(self):
        shared = {"use": "openai"}
        values = {"fast": shared, "slow": shared}
        put(values, "fast.model", "small")
        assert values["slow"] == {"use": "openai"}

    def test_a_plug_in_is_set_before_its_settings_whatever_the_order(self):
        changes = [("r.factors", 3), ("r.use", "als"), ("r", {"use": "ease"})]
        values = {}
        put_all(values, changes)
        assert values == {"r": {"use": "als", "factors": 3}}

    @settings(max_examples=20)
    @given(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=4, unique=True).map(".".join),
        st.one_of(st.integers(), st.text(), st.none(), st.lists(st.integers())),
    )
    def test_what_was_put_is_found_there(self, key, value):
        values = {}
        put(values, key, value)
        for name in key.split("."):
            values = values[name]
        assert values == value
