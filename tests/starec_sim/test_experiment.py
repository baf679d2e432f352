from pathlib import Path

import pytest
import yaml

from starec_sim.errors import ConfigError, DeprecatedKeyWarning, PluginError, RunError
from starec_sim.experiment import Experiment, read_experiment, recorded_experiment

SMALL = {
    "name": "small",
    "data": {"use": "synthetic", "users": 12, "items": 100, "interactions": 20},
    "environment": {"use": "feed", "recommender": {"use": "als", "factors": 8}},
}


@pytest.fixture
def write(tmp_path):
    def write(text=None, **changes):
        path = tmp_path / "config.yaml"
        path.write_text(text or yaml.safe_dump({**SMALL, **changes}, sort_keys=False), "utf-8")
        return path

    return write


def problem_of(path, *changes, error=ConfigError):
    with pytest.raises(error) as raised:
        read_experiment(path, changes)
    assert raised.value.hint
    return raised.value.message


class TestReading:
    def test_a_small_file_is_enough(self, write):
        experiment = read_experiment(write())
        assert experiment.rounds == 10
        assert experiment.agent == {"use": "star"}
        assert experiment.policies.fast == experiment.policies.slow == {"use": "nano"}

    def test_changes_are_yaml_and_come_after_the_file(self, write):
        experiment = read_experiment(
            write(rounds=3), ["rounds=5", "report.metrics=[slow]", "seed=7"]
        )
        assert (experiment.rounds, experiment.seed) == (5, 7)
        assert experiment.report.metrics == ("slow",)

    @pytest.mark.parametrize("key", ["data.usrs", "arms.loop.data.usrs", "environment"])
    def test_the_hint_for_a_wrong_key_is_the_change_that_set_it_also_where_there_are_arms(
        self, write, key
    ):
        path = write(arms={"loop": {}, "random": {"environment.recommender": "random"}})
        with pytest.raises(ConfigError) as raised:
            read_experiment(path, ["rounds=3", f"{key}={{use: feed, usrs: 3}}"])
        assert raised.value.hint.startswith(f"mend --set '{key}=")

    def test_metrics_are_named_as_in_the_code_or_as_they_are_printed(self, write):
        experiment = read_experiment(
            write(), ["report.metrics=[Click-through, gini, concentration, NDCG@10]"]
        )
        assert experiment.report.metrics == ("click_through", "gini", "ndcg@10")

    def test_a_metric_that_no_arm_can_have_is_refused_before_the_run(self, write):
        found = problem_of(write(), "report.metrics=[clik-through]")
        assert found == (
            'report.metrics: there is no metric "clik-through"; did you mean "click-through"?'
        )

    def test_an_environment_may_have_metrics_of_its_own(self, write, tmp_path):
        def environment(name, own):
            (tmp_path / f"{name}.py").write_text(
                "from starec_sim.settings import Settings\n"
                f"class Env:\n    {own}\n    class Config(Settings): pass\n"
            )
            return {"use": f"{tmp_path / name}.py:Env"}

        for spec in (environment("silent", ""), environment("named", "own_metrics = ('queue',)")):
            experiment = read_experiment(write(environment=spec), ["report.metrics=[queue, gini]"])
            assert experiment.report.metrics == ("queue", "gini")
        assert 'did you mean "queue"' in problem_of(
            write(environment=spec), "report.metrics=[quue]"
        )

    def test_replaced_keys_do_not_count_at_all(self, write):
        path = write(data={"use": "nonsense", "x": 1})
        experiment = read_experiment(path, ["data.users=7"], {"data": {"use": "synthetic"}})
        assert experiment.data == {"use": "synthetic", "users": 7}

    def test_settings_of_the_default_agent_need_no_name(self, write):
        experiment = read_experiment(write(), ["agent.gate.when=never"])
        assert experiment.agent == {"use": "star", "gate": {"when": "never"}}

    def test_an_anchor_shared_by_two_keys_is_changed_in_one_of_them(self, write):
        text = yaml.safe_dump(SMALL) + "policies: {fast: &p {use: lexical}, slow: *p}\n"
        experiment = read_experiment(write(text), ["policies.fast.curiosity=0.5"])
        assert experiment.policies.slow == {"use": "lexical"}

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("roundz=3", 'roundz: there is no such key; did you mean "rounds"?'),
            ("data.userz=3", 'data.userz: there is no such key; did you mean "users"?'),
            ("data.drift.at_rond=3", 'data.drift.at_rond: there is no such key; did you mean "at'),
            ("environment.pages_=3", 'environment.pages_: there is no such key; did you mean "p'),
            ("environment.recommender.factrs=3", "environment.recommender.factrs: there is no "),
            ("agent.gat=1", 'agent.gat: there is no such key; did you mean "gate"?'),
            ("policies.fst=lexical", 'policies.fst: there is no such key; did you mean "fast"?'),
            ("report.metric=1", 'report.metric: there is no such key; did you mean "metrics"?'),
            ("rounds=-1", "rounds: must be greater than or equal to 1, got -1"),
            ("rounds=10000000000000", "rounds: must be less than or equal to"),
            ("rounds=", "rounds: must be a valid integer, got nothing"),
            ("seed=9999999999999999999999", "seed: must be less than"),
            ("seed=9223372036854775807", None),
            ("replicates=0", "replicates: must be greater"),
            ("name=a b", "name: must match pattern"),
            ("name=../up", "name: must match pattern"),
            ("data=3", "data: must be the name of a plug-in"),
            ("environment=", "environment: must be the name of a plug-in"),
            ("rounds.x=1", "rounds.x: rounds is 3, which holds no keys"),
            ("environment.patience=.nan", "environment.patience: must be a finite number"),
            ("rounds", '--set "rounds" is not KEY=VALUE'),
            ("=3", '--set "=3" is not KEY=VALUE'),
            ("a..b=3", '--set "a..b=3" is not KEY=VALUE'),
            ("rounds=[1", '--set rounds: "[1" is not valid YAML'),
        ],
    )
    def test_a_wrong_change_is_an_error_that_names_the_key(self, write, change, said):
        if said is None:
            assert read_experiment(write(rounds=3), [change]).seed == 2**63 - 1
        else:
            assert problem_of(write(rounds=3), change).startswith(said)

    def test_the_last_seed_must_fit_too(self, write):
        path = write(replicates=2)
        assert "seed + replicates" in problem_of(path, f"seed={2**63 - 1}")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("environment.use=fead", 'environment.use: no environment is called "fead"; did you'),
            ("data.use=x", 'data.use: no dataset is called "x"'),
            ("agent.use=x", 'agent.use: no agent is called "x"'),
            ("policies.slow=x", 'policies.slow.use: no policy is called "x"'),
            ("environment.recommender.use=alz", "environment.recommender.use: no recommender is"),
        ],
    )
    def test_an_unknown_plug_in_is_an_error_that_names_the_key(self, write, change, said):
        assert problem_of(write(), change, error=PluginError).startswith(said)

    @pytest.mark.parametrize(
        "spec",
        [
            {"use": "openai", "api_key": "sk-123"},
            {"use": "openai", "API_KEY": "sk-123"},
            {"use": "openai", "extra_body": {"auth_token": "sk-123"}},
            {"use": "openai", "extra_body": [{"password": "sk-123"}]},
        ],
    )
    def test_a_secret_is_refused_and_not_repeated(self, write, spec):
        message = problem_of(write(policies={"fast": spec}))
        assert "does not belong in a file" in message
        assert "sk-123" not in message

    def test_the_name_of_a_variable_is_no_secret(self, write):
        spec = {"use": "openai", "model": "m", "api_key_env": "MY_KEY"}
        assert read_experiment(write(policies={"fast": spec})).policies.fast == spec

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("name: [1\n", "is not valid YAML"),
            ("- a\n- b\n", "must hold keys and values, not a list"),
            ("# nothing\n", "must hold keys and values, not nothing"),
            ("just text", "must hold keys and values, not a str"),
            ("name: a\nname: b\n", 'line 2: the key "name" is there already'),
            ("? [a, b]\n: 1\n", "is not valid YAML"),
            ("a: &a [*a]\n", "holds an anchor (&) that refers to itself"),
            ('x: !!python/object/apply:os.system ["true"]\n', "is not valid YAML"),
        ],
    )
    def test_a_file_that_is_no_experiment_is_an_error(self, write, text, said):
        assert said in problem_of(write(text))

    def test_merged_keys_of_yaml_may_be_overridden(self, write):
        text = yaml.safe_dump({k: v for k, v in SMALL.items() if k != "data"})
        text += "data: {<<: &base {use: synthetic, items: 100, interactions: 10}, users: 9}\n"
        assert read_experiment(write(text)).data["users"] == 9

    def test_a_file_in_another_encoding_is_an_error(self, tmp_path):
        path = tmp_path / "latin.yaml"
        path.write_bytes(b"name: caf\xe9\n")
        assert "cannot be read" in problem_of(path)

    def test_a_missing_file_and_a_folder_are_errors(self, tmp_path):
        assert "there is no file" in problem_of(tmp_path / "none.yaml")
        assert "is a folder" in problem_of(tmp_path)


class TestOldNames:
    def test_an_old_key_works_and_a_warning_names_the_new_one(self, write):
        with pytest.warns(DeprecatedKeyWarning, match=r"the key train.anchor is now .* train.sft"):
            experiment = read_experiment(write(train={"anchor": {"users": 3}, "grpo": None}))
        assert experiment.train == {"grpo": None, "sft": {"users": 3}}

    @pytest.mark.parametrize("key", ["sft", "anchor"])
    def test_an_old_key_on_the_command_line_changes_the_new_one_of_the_file(self, write, key):
        with pytest.warns(DeprecatedKeyWarning, match="train.sft"):
            experiment = read_experiment(write(train={key: {"users": 3}}), ["train.anchor.batch=5"])
        assert experiment.train == {"sft": {"users": 3, "batch": 5}}

    def test_a_key_under_both_names_is_an_error(self, write):
        path = write(train={"sft": {}, "anchor": {}})
        assert problem_of(path) == "train.anchor is now called train.sft, and both are there"

    def test_a_recorded_configuration_is_read_without_a_warning(self, tmp_path, recwarn):
        text = yaml.safe_dump({**SMALL, "train": {"anchor": {"users": 3}}})
        (tmp_path / "config.yaml").write_text(text)
        assert recorded_experiment(tmp_path).train == {"sft": {"users": 3}}
        assert not recwarn.list


def arms_of(experiment):
    return {name: arm.experiment for name, arm in experiment.resolve().items()}


class TestArms:
    def test_without_arms_there_is_one(self, write):
        assert list(read_experiment(write()).resolve()) == ["main"]

    def test_an_arm_differs_in_the_keys_it_names(self, write):
        arms = {"loop": {}, "frozen": {"environment.refit_every": 0}}
        variants = arms_of(read_experiment(write(arms=arms)))
        assert list(variants) == ["loop", "frozen"]
        assert "refit_every" not in variants["loop"].environment
        assert variants["frozen"].environment == {**SMALL["environment"], "refit_every": 0}
        assert not variants["frozen"].arms

    def test_an_arm_may_use_another_recommender(self, write):
        arms = {"random": {"environment.recommender": "random"}}
        variant = arms_of(read_experiment(write(arms=arms)))["random"]
        assert variant.environment["recommender"] in ("random", {"use": "random"})

    def test_changing_one_arm_changes_no_other(self, write):
        arms = {name: {"environment.recommender.factors": n} for n, name in enumerate("abc", 1)}
        variants = arms_of(read_experiment(write(arms=arms)))
        assert [v.environment["recommender"]["factors"] for v in variants.values()] == [1, 2, 3]

    @pytest.mark.parametrize(
        ("arms", "said"),
        [
            ({"a": {"roundz": 3}}, 'arms.a.roundz: there is no such key; did you mean "rounds"?'),
            ({"a": {"rounds": 3}}, "arms.a.rounds: all arms of an experiment share this key"),
            ({"a": {"environment.pagez": 3}}, "arms.a.environment.pagez: there is no such key"),
            ({"a": {"rounds.x": 3}}, "arms.a.rounds.x: all arms"),
            (
                {"a": {"policies.fast.api_key": "s"}},
                "arms.a.policies.fast: the key api_key does not",
            ),
            ({"a": 3}, "arms.a: must hold keys and values, got 3"),
            ({"a": None}, "arms.a: must hold keys and values, got nothing"),
            ({1: {}}, 'arms.1: a key must be text; write "1" with its quotes'),
            ({" ": {}}, "arms. : an arm's name must be 1 to 40 printable characters"),
            ({"x" * 41: {}}, f"arms.{'x' * 41}: an arm's name must be"),
        ],
    )
    def test_a_wrong_arm_is_an_error_that_names_the_key(self, write, arms, said):
        assert problem_of(write(arms=arms)).startswith(said)


class TestRoundTrip:
    def test_what_is_written_into_a_run_reads_as_the_same_experiment(self, write, tmp_path):
        arms = {"loop": {}, "ö": {"environment.refit_every": 0}}
        experiment = read_experiment(
            write(arms=arms, report={"last_rounds": 2}, runs_dir="some/where")
        )
        text = yaml.safe_dump(experiment.model_dump(mode="json"), allow_unicode=True)
        (tmp_path / "config.yaml").write_text(text, "utf-8")
        again = recorded_experiment(tmp_path)
        assert again == experiment
        assert again.runs_dir == Path("some/where")
        assert {a: v.model_dump() for a, v in arms_of(again).items()} == {
            a: v.model_dump() for a, v in arms_of(experiment).items()
        }

    def test_a_full_configuration_is_a_configuration(self, write):
        experiment = read_experiment(write())
        assert Experiment.model_validate(experiment.model_dump(mode="json")) == experiment

    @pytest.mark.parametrize("text", ["name: small\nx: 3\n", "x: [1\n", "- a\n", ""])
    def test_a_recorded_configuration_that_was_spoiled_is_an_error(self, tmp_path, text):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(RunError, match="is not the configuration of a run"):
            recorded_experiment(tmp_path)

    def test_a_recorded_configuration_that_is_gone_is_an_error(self, tmp_path):
        with pytest.raises(RunError, match="cannot be read"):
            recorded_experiment(tmp_path)
