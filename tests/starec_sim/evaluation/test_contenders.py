"""Contenders and policies are read from files and text, and checked."""

import pytest

from starec_sim.errors import ConfigError, PluginError
from starec_sim.evaluation import Evaluation, evaluate
from starec_sim.evaluation.contenders import plan_contenders, read_policy, read_rows


def write(tmp_path, text):
    path = tmp_path / "rows.yaml"
    path.write_text(text)
    return str(path)


def test_the_rows_that_ship_hold_those_that_every_table_carries() -> None:
    names = [row.name for row in read_rows("all")]
    for wanted in ("random", "input order", "popularity", "BPR, sample", "BPR, full", "{policy}"):
        assert wanted in names
    assert all(row.agent is None for row in read_rows("classical"))
    assert all(row.recommender is None for row in read_rows("agents"))


def test_the_models_of_order_and_the_other_agents_are_rows_of_every_table() -> None:
    names = {row.name for row in read_rows("all")}
    models = {f"{name}, {data}" for name in ("GRU4Rec", "SASRec") for data in ("sample", "full")}
    assert models | {"{policy}, zero-shot", "{policy}, AgentCF"} <= names


def test_a_row_of_a_policy_becomes_one_for_each_policy() -> None:
    policies = [{"use": "lexical"}, {"use": "openai", "model": "qwen/qwen3:8b"}]
    names = [row.name for row in plan_contenders(read_rows("agents"), policies)]
    assert "lexical, no slow" in names and "qwen3:8b, swapped" in names
    twins = [row.name for row in plan_contenders(read_rows("agents"), [{"use": "lexical"}] * 2)]
    assert "lexical 1" in twins and "lexical 2" in twins


def test_the_oracle_is_left_out_where_the_truth_is_not_known() -> None:
    names = [row.name for row in plan_contenders(read_rows("all"), [])]
    assert "oracle" not in names
    assert "oracle" in [row.name for row in plan_contenders(read_rows("all"), [], truth=True)]


def test_a_row_whose_module_is_not_installed_is_left_out_by_name(tmp_path) -> None:
    text = (
        "rows:\n  - {name: a, floor: random, needs: no_such_module}\n  - {name: b, floor: random}\n"
    )
    rows = read_rows(write(tmp_path, text))
    assert [row.name for row in plan_contenders(rows, [])] == ["b"]
    values = {"data": {"use": "synthetic", "users": 20, "items": 200}, "runs_dir": tmp_path}
    _, table = evaluate(Evaluation(rows=rows, **values))
    assert table.about["left out"] == {"a": "needs no_such_module"}


def test_a_row_with_a_policy_of_its_own_needs_no_other(tmp_path) -> None:
    path = write(tmp_path, "rows:\n  - {name: floor, agent: star, policy: lexical}\n")
    (row,) = plan_contenders(read_rows(path), [])
    assert row.policy == {"use": "lexical"}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("rows: []\n", ConfigError, "rows"),
        ("- 1\n", ConfigError, "it needs `rows`, a list"),
        ("rows:\n  - {name: a}\n", ConfigError, "names 0"),
        ("rows:\n  - {name: a, floor: random, agent: star}\n", ConfigError, "names 2"),
        ("rows:\n  - {name: a, floor: random, replay: 1}\n", ConfigError, "only an agent"),
        ("rows:\n  - {name: a, recommender: eaze}\n", PluginError, 'did you mean "ease"'),
        (
            "rows:\n  - {name: a, recommender: {use: ease, lambda: 1}}\n",
            ConfigError,
            "rows.0.recommender.lambda: there is no such key",
        ),
        ("rows:\n  - {name: a, agent: {use: star, gate: {whem: never}}}\n", ConfigError, "whem"),
        ("a: [\n", ConfigError, "not valid YAML"),
        ("rows: []\nrows: []\n", ConfigError, 'line 2: the key "rows" is there already'),
    ],
)
def test_a_wrong_row_is_refused_before_anything_starts(tmp_path, text, error, message) -> None:
    with pytest.raises(error, match=message):
        read_rows(write(tmp_path, text))


def test_two_rows_of_one_name_are_refused(tmp_path) -> None:
    path = write(tmp_path, "rows:\n  - {name: a, floor: random}\n  - {name: a, floor: random}\n")
    with pytest.raises(ConfigError, match='two rows are called "a"'):
        plan_contenders(read_rows(path), [])


def test_a_group_that_is_none_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match='did you mean "classical"'):
        read_rows("clasical")


def test_a_policy_is_a_name_with_settings_or_a_file(tmp_path) -> None:
    assert read_policy("lexical") == {"use": "lexical"}
    assert read_policy("openai,model=qwen3:8b,temperature=0.5") == {
        "use": "openai",
        "model": "qwen3:8b",
        "temperature": 0.5,
    }
    path = tmp_path / "p.yaml"
    path.write_text("use: lexical\ncuriosity: 3\n")
    assert read_policy(str(path)) == {"use": "lexical", "curiosity": 3}
    path.write_text("use: lexical\ncuriosity: 3\ncuriosity: 4\n")
    with pytest.raises(ConfigError, match='line 3: the key "curiosity" is there already'):
        read_policy(str(path))


def test_a_setting_of_a_policy_may_be_dotted() -> None:
    policy = read_policy("lexical,limits.in_flight=3")
    assert policy == {"use": "lexical", "limits": {"in_flight": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lexikal", 'did you mean "lexical"'),
        ("lexical,curiosity", "is not KEY=VALUE"),
        ("lexical,couriosity=2", 'did you mean "curiosity"'),
        ("gone.yaml", "there is no file gone.yaml"),
        ("lexical,curiosity=2,curiosity=3", "the key curiosity is there already"),
        ("lexical,use=nano", "the key use is there already"),
    ],
)
def test_a_wrong_policy_is_refused_with_what_was_meant(text, message) -> None:
    with pytest.raises((ConfigError, PluginError), match=message):
        read_policy(text)
