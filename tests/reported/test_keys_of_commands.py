"""Keys and names on the command line and in experiments: what is said when they are wrong."""

import re

import pytest
import yaml

from starec_sim import read_experiment
from starec_sim.cli.options import budget_changes
from starec_sim.errors import ConfigError, DeprecatedKeyWarning, PluginError
from starec_sim.forks import fork
from tests.small_feed import small_feed


@pytest.fixture
def write(tmp_path):
    """Write an experiment with some keys; return its path."""

    def written(**changes):
        values = small_feed(tmp_path / "runs", "small", 5).model_dump(mode="json")
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return written


def test_a_key_that_is_set_twice_with_different_values_is_refused(starec, write):
    said = "--set rounds is there twice, with 1 and 2"
    path = write()
    for command in (["run"], ["train"], ["estimate"], ["sweep", "--over", "seed=1,2"]):
        name, *options = command
        status, _, err = starec(name, path, *options, "--set", "rounds=1", "--set", "rounds=2")
        assert status == 2 and said in err and "keep one of the two" in err
    assert read_experiment(path, ["rounds=2", "rounds=2"]).rounds == 2
    with pytest.raises(ConfigError, match="--budget calls is there twice"):
        budget_changes(["calls=1", "calls=2"])


def test_a_text_for_a_user_that_a_fork_sets_twice_is_refused(tmp_path):
    from starec_sim import run

    folder = run(small_feed(tmp_path, "small", 3, rounds=2)).folder
    for key in ("memory.u1", "slate.u1", "environment.pages", "runs_dir"):
        with pytest.raises(ConfigError, match=f"--set {re.escape(key)}.* is there twice"):
            fork(folder, 1, [f"{key}=1", f"{key}=2"])


def test_a_wrong_key_of_all_arms_is_named_as_it_is_written(write):
    arms = {"loop": {}, "other": {"environment.pages": 1}}
    with pytest.raises(ConfigError) as raised:
        read_experiment(write(arms=arms, data={"use": "synthetic", "usrs": 3}))
    assert raised.value.message.startswith("data.usrs: there is no such key")
    assert "data.usrs" in raised.value.hint and "arms." not in raised.value.hint
    wrong = {"use": "feed", "pagez": 1}
    with pytest.raises(ConfigError, match=r"^environment\.pagez: there is no such key"):
        read_experiment(write(arms={"other": {"environment.pages": 1}}, environment=wrong))
    with pytest.raises(PluginError, match=r"^agent\.use: no agent is called"):
        read_experiment(write(arms=arms, agent={"use": "star2"}))


def test_a_wrong_key_of_one_arm_is_named_as_that_of_the_arm(write):
    with pytest.raises(ConfigError, match=r"^arms\.other\.environment\.pagez: "):
        read_experiment(write(arms={"loop": {}, "other": {"environment.pagez": 1}}))


def test_a_renamed_key_of_a_plug_in_is_named_with_its_whole_path(write):
    old = {"use": "ranking", "lived": 2}
    for arms in ({}, {"a": {}, "b": {"environment.candidates": 5}}):
        with pytest.warns(DeprecatedKeyWarning) as warned:
            read_experiment(write(environment=old, arms=arms))
        for each in warned:
            said = "the key environment.lived is now called environment.min_picks"
            assert str(each.message).startswith(said)


def test_the_names_of_audits_are_printed_once(starec):
    status, _, err = starec("audit", "lexical", "--only", "nosuch")
    assert status == 2 and err.count("retest") == 1


def test_an_experiment_without_a_training_is_refused_before_torch_is_loaded(starec, write):
    status, _, err = starec("train", write())
    assert status == 2 and "has no `train`" in err
    assert "Loading torch" not in err


def test_the_list_of_commands_cuts_no_sentence(starec):
    status, out, _ = starec("--help")
    assert status == 0 and "..." not in out.partition("Commands:")[2]
    assert "learn from rewards (GRPO)." in " ".join(out.split())
