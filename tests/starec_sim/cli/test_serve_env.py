"""`starec serve env`: the manifest it writes, what the metadata says, and what it refuses."""

import json
import shlex

import pytest
import yaml

from starec_sim.errors import ConfigError, RunError
from starec_sim.evaluation.audits import AuditSettings
from starec_sim.evaluation.audits.folder import REPORT, write_settings
from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.experiment import read_experiment
from starec_sim.interop.openenv_manifest import read_verdict

EXPERIMENT = """\
name: tiny
rounds: 2
data: {use: synthetic, users: 12, items: 40, interactions: 12}
environment: {use: feed, recommender: item-knn, page_size: 3, pages: 1}
policies: {fast: lexical, slow: lexical}
"""


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def audit(tmp_path):
    """Write the folder of a finished audit of a policy."""

    def audit(policy):
        folder = tmp_path / "audit"
        folder.mkdir()
        write_settings(folder, AuditSettings(policy=policy, data="synthetic"))
        report = AuditReport({"policy": policy, "dataset": "synthetic", "users": 9}, ())
        (folder / REPORT).write_text(json.dumps(report.as_json()))
        return folder

    return audit


def test_the_manifest_declares_the_reward_and_that_nothing_was_audited(
    starec, experiment, tmp_path
):
    folder = tmp_path / "env"
    said = starec("serve", "env", experiment, "--manifest", folder)
    assert (said.status, said.out) == (0, f"{folder / 'openenv.yaml'}\n")
    manifest = yaml.safe_load((folder / "openenv.yaml").read_text())
    assert manifest["validation"]["reward"]["range"] == [-1.0, 1.0]
    assert manifest["starec"]["audit"] is None
    assert "not audited" in manifest["description"]


def test_the_command_of_the_manifest_starts_what_the_options_say(starec, experiment, tmp_path):
    options = ["--policy", "lexical", "--reward", "satisfaction=1", "--port", "9000"]
    options += ["--set", "environment.pages=2", "--set", "rounds=3"]
    starec("serve", "env", experiment, *options, "--manifest", tmp_path / "env")
    command = shlex.split(
        yaml.safe_load((tmp_path / "env" / "openenv.yaml").read_text())["command"]
    )
    assert command == ["starec", "serve", "env", str(experiment), *options]
    assert starec(*command[1:], "--manifest", tmp_path / "again").status == 0


def test_the_range_of_the_reward_follows_from_its_weights(starec, experiment, tmp_path):
    weights = ("--reward", "engagement=2", "--reward", "satisfaction=-3")
    starec("serve", "env", experiment, *weights, "--manifest", tmp_path)
    manifest = yaml.safe_load((tmp_path / "openenv.yaml").read_text())
    assert manifest["validation"]["reward"]["range"] == [-3.0, 5.0]


def test_the_verdict_of_an_audit_of_the_same_policy_is_carried(experiment, audit):
    verdict = read_verdict(audit("lexical"), read_experiment(experiment))
    assert verdict["fit"] is None
    assert verdict["verdict"].startswith("undecided (lexical on synthetic, 9 users)")
    assert len(verdict["not_audited"]) == 12


def test_an_audit_of_another_policy_is_refused(experiment, audit):
    with pytest.raises(ConfigError, match=r'of the policy \{"use": "nano"\}'):
        read_verdict(audit("nano"), read_experiment(experiment))


def test_a_folder_without_an_audit_is_refused(experiment, tmp_path):
    with pytest.raises(RunError):
        read_verdict(tmp_path, read_experiment(experiment))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reward", "satisfaction"), "must be NAME=WEIGHT"),
        (("--reward", "fun=1"), 'no reward "fun"; known: engagement, satisfaction'),
        (("--policy", "nanoo"), "nanoo"),
        (("--set", "environment={use: ranking}"), "has no setting `recommender`"),
        (("--audit", "nothing"), "there are no runs"),
    ],
)
def test_what_cannot_be_served_is_refused(
    starec, experiment, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)  # where there is no folder `runs`
    said = starec("serve", "env", experiment, *arguments, "--manifest", tmp_path / "env")
    assert (said.status, message in said.err) == (2, True), said.err
    assert not (tmp_path / "env").exists()


def test_serve_takes_a_policy_as_before(starec):
    said = starec("serve", "--help")
    assert (said.status, "POLICY" in said.out, "starec serve env" in said.out) == (0, True, True)
    said = starec("serve", "env", "--help")
    assert (said.status, "EXPERIMENT" in said.out) == (0, True)
