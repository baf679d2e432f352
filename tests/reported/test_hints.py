"""Hints that named a remedy for another cause than the one at hand."""

import errno

import pytest

from starec_sim.cli.failures import failure_of
from starec_sim.errors import did_you_mean

SMALL = """\
name: small
rounds: 1
data: {use: synthetic, users: 6, items: 100}
environment: {use: feed, recommender: {use: popularity}}
policies: {fast: lexical, slow: lexical}
"""


@pytest.fixture
def refused(starec, tmp_path, monkeypatch):
    """Run an experiment with one line in place of another; return the message and the hint."""
    monkeypatch.chdir(tmp_path)

    def refused(line, *options, command="run"):
        key = line.partition(":")[0]
        kept = [each for each in SMALL.splitlines() if not each.startswith(f"{key}:")]
        (tmp_path / "x.yaml").write_text("\n".join([*kept, line]) + "\n")
        status, _, err = starec(command, "x.yaml", *options)
        assert status == 2, err
        message, _, hint = err.rpartition("hint: ")
        assert message and hint.strip()
        return message, hint.strip()

    return refused


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("\tseed: 1", "indent with spaces in place of tabs"),
        ("agent: @x", 'quote text that begins with @, as in "@name"'),
        ("agent: %x", 'quote text that begins with %, as in "%d"'),
        ("agent: *x", 'quote text that begins with *, as in "*best*"'),
        ("agent: a: b", 'quote text that holds ": ", and indent keys alike'),
        ("agent: [a", "close the bracket: [one, two]"),
        ('agent: "a', "close the quotation mark"),
        ("seed: 010", 'write 8 for the number, "010" for the text'),
        ("seed: 1:30", 'write 90 for the number, "1:30" for the text'),
    ],
)
def test_a_line_that_yaml_misreads_names_its_own_remedy(refused, line, hint):
    assert refused(line)[1] == hint


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed: 1e3", "YAML reads 1e3 as text, write 1000"),
        ("seed: 1,000", "YAML reads 1,000 as text, write 1000"),
        ("data: {use: synthetic, users: 2.5e3}", "YAML reads 2.5e3 as text, write 2500"),
        ("rounds: on", "rounds: must be a number, got True"),
        ("name: off", "must be text, got False; YAML reads on, off, yes and no so"),
    ],
)
def test_what_yaml_makes_of_a_value_is_said(refused, line, said):
    assert said in refused(line)[0]


def test_a_wrong_key_is_mended_where_it_is_written(refused):
    assert refused("sed: 3")[1] == "rename or remove sed in x.yaml"
    assert refused("rounds: x")[1] == "mend rounds in x.yaml, or pass --set rounds=VALUE"
    assert refused("seed: 1", "--set", "rounds=x")[1] == "mend --set rounds=x"
    assert refused("environment: {use: feed, pags: 3}")[1].startswith("rename or remove env")


def test_a_command_without_set_does_not_name_it(starec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in (["eval", "lexical,x=1"], ["audit", "lexical,x=1"], ["serve", "lexical,x=1"]):
        status, _, err = starec(*command)
        assert status == 2 and "there is no such key" in err and "--set" not in err


def test_a_name_of_another_kind_is_recognised(refused):
    hint = "synthetic is one of the datasets; `starec plugins` lists all names"
    assert refused("agent: synthetic")[1] == hint
    assert refused("agent: starr")[1] == "correct the name; `starec plugins` lists all"
    assert refused("agent: my.agents.Mine")[1] == "if it is importable, write my.agents:Mine"


def test_a_failing_import_inside_a_plugin_is_told_from_a_missing_plugin(refused, tmp_path):
    (tmp_path / "my_only_agent.py").touch()
    hint = refused("agent: my_only_agent:Mine")[1]
    assert hint == "it is a file here, so write my_only_agent.py:NAME"
    (tmp_path / "mine.py").write_text("x = 1\nimport no_such_package.inner\n")
    message, hint = refused("agent: mine.py:Mine")
    assert "No module named 'no_such_package'" in message
    assert hint == (
        f"install what {tmp_path / 'mine.py'}, line 2 imports: pip install no_such_package"
    )
    (tmp_path / "mine.py").write_text("from json import no_such_name\n")
    assert refused("agent: ./mine.py:Mine")[1].startswith(f"mend {tmp_path / 'mine.py'}, line 1;")
    assert refused("agent: mine.py")[1] == "add the name after a colon: mine.py:NAME"
    assert refused("agent: mime.py:Mine")[1].startswith('did you mean "mine.py"?')
    hint = refused("agent: nowhere.agents:Mine")[1]
    assert hint == "check the spelling of nowhere.agents, or install the package that has it"


def test_a_missing_file_and_a_missing_folder_are_told_apart(starec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(SMALL)
    assert 'hint: did you mean "config.yaml"?' in starec("run", "config.yml")[2]
    assert "hint: there is no folder gone either" in starec("run", "gone/config.yaml")[2]
    assert "is not UTF-8" in starec("run", _latin(tmp_path))[2]
    assert 'hint: did you mean "config.yaml"?' in starec("eval", "conf.yaml")[2]


def _latin(folder):
    path = folder / "latin.yaml"
    path.write_bytes(b"name: caf\xe9\n")
    return path


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "make room on that disk"),
        (errno.EACCES, "says who may read and write it"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
    ],
)
def test_an_error_of_the_system_has_the_hint_of_its_cause(code, hint):
    answer = failure_of(OSError(code, "said the system", "/there")).answer
    assert hint in answer["hint"] and "that it is there" not in answer["hint"]


def test_packages_that_do_not_fit_are_told_from_missing_ones():
    assert failure_of(ModuleNotFoundError("No module named 'x'", name="x")).answer["hint"] == (
        "pip install x"
    )
    assert "pip check" in failure_of(ImportError("cannot import name 'y' from 'x'")).answer["hint"]


def test_the_word_itself_is_never_suggested():
    assert did_you_mean("tier", ["tier", "ndcg"]) == "known: ndcg"
    assert did_you_mean("NDCG@10", ["ndcg@10"]) == 'did you mean "ndcg@10"?'


TRAINED = "train: {grpo: {nodes: [fast], rewards: {%s: 1.0}}}"


@pytest.mark.parametrize("name", ["tier", "nddcg"])
def test_an_unknown_reward_is_refused_by_the_dry_run(refused, name):
    message, _ = refused(
        TRAINED % name, "--set", "policies.fast=nano", "--dry-run", command="train"
    )
    assert f'the environment reports no reward "{name}"' in message
    assert f'did you mean "{name}"' not in message


def test_the_interval_of_a_lopsided_change_is_printed_with_both_ends(capsys):
    from starec_sim.cli.train_result import print_changes

    even = {"mean": 0.5, "low": 0.4, "high": 0.6}
    change = {"mean": -0.661, "low": -1.86, "high": -0.03}
    print_changes(
        {"reward": {"before": even, "after": even, "change": change, "p": 0.01, "users": 9}}, 3
    )
    assert "-0.661 [-1.860, -0.030]  worse" in capsys.readouterr().out


def test_a_missing_module_of_an_installed_package_is_not_to_be_installed(refused, tmp_path):
    (tmp_path / "mine.py").write_text("import starec_environments.recommenders.popular\n")
    _, hint = refused('environment: {use: feed, recommender: "mine.py:Mine"}')
    assert hint == (
        "starec_environments is installed and has no module recommenders.popular: mend the import "
        f"in {tmp_path / 'mine.py'}, line 1"
    )


def test_a_fault_of_several_keys_names_no_value_for_all_of_them(refused):
    _, hint = refused("data: {use: synthetic, items: 30}")
    assert hint == "mend the keys of data in x.yaml, or pass --set data.KEY=VALUE"
    _, hint = refused("name: small", "--set", "data.items=30")
    assert hint == "mend --set data.items=30"


@pytest.mark.parametrize("command", [("eval", "lexical", "--data"), ("data", "describe")])
def test_a_wrong_setting_of_data_on_the_command_line_is_mended_there(starec, command):
    _, _, err = starec(*command, "synthetic,items=abc")
    assert err.endswith("hint: mend synthetic,items=abc\n")
    _, _, err = starec(*command, "synthetic", "--set", "data.items=3")
    assert err.endswith("hint: mend --set data.items=3\n")


@pytest.mark.parametrize(
    "asked",
    [
        ("eval", "lexical", "--into", "afile"),
        ("audit", "lexical", "--into", "afile"),
        ("eval", "lexical", "--against", "lexicl"),
    ],
)
def test_what_is_needed_after_an_evaluation_is_checked_before_it(
    starec, tmp_path, monkeypatch, asked
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").touch()
    status, _, err = starec(*asked)
    assert status == 2
    assert "move it away" in err or 'did you mean "lexical"' in err
    assert not (tmp_path / "runs").exists()


def test_a_file_where_a_folder_is_needed_is_said():
    error = FileExistsError(errno.EEXIST, "File exists", "out")
    assert "a file has the name that a folder needs" in failure_of(error).answer["hint"]


@pytest.mark.parametrize(
    ("imports", "said"),
    [
        ("from pack.other import x", "pack is in {here}"),
        ("from .other import x", "leave out the dot"),
    ],
)
def test_an_import_that_works_in_a_package_is_no_missing_package(refused, tmp_path, imports, said):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "mine.py").write_text(f"{imports}\n")
    _, hint = refused('environment: {use: feed, recommender: "pack/mine.py:Mine"}')
    assert said.format(here=tmp_path) in hint and "pip install" not in hint
