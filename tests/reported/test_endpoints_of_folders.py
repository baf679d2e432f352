"""Which servers and keys the folder of a run may name."""

import contextlib
import hashlib
import json

import pytest

from starec_sim.policy_endpoints import allowed_endpoints, check_endpoint

EXPERIMENT = """
name: sent
rounds: 1
environment: feed
data: {use: synthetic, users: 4, items: 30, interactions: 5}
policies: {fast: lexical, slow: lexical}
"""


@pytest.fixture
def sent(tmp_path, starec):
    """Return a function that makes a paused run whose fast policy has some settings."""

    def make(settings):
        (tmp_path / "x.yaml").write_text(f"{EXPERIMENT}runs_dir: {tmp_path / 'runs'}\n")
        status, _, stderr = starec("run", tmp_path / "x.yaml")
        assert status == 0, stderr
        (run,) = (tmp_path / "runs").iterdir()
        config = (run / "config.yaml").read_text()
        config = config.replace("use: lexical", f"use: openai\n    model: m\n    {settings}", 1)
        assert settings in config
        (run / "config.yaml").write_text(config)
        manifest = json.loads((run / "manifest.json").read_text())
        manifest |= {"status": "paused", "made_here": None}
        manifest["config_sha256"] = hashlib.sha256(config.encode()).hexdigest()
        (run / "manifest.json").write_text(json.dumps(manifest))
        return run

    return make


@pytest.mark.parametrize(
    "settings",
    ["base_url: http://elsewhere.example/v1", "api_key_env: AWS_SECRET_ACCESS_KEY"],
)
def test_a_folder_made_elsewhere_sends_no_prompt_and_no_key_away_without_trust(
    sent, starec, settings
):
    run = sent(settings)
    for command in ("resume", "replay", "estimate", "run"):
        status, _, stderr = starec(command, run)
        assert status == 2, (command, stderr)
        assert f"policies.fast.{settings}" in stderr and "--trust" in stderr, (command, stderr)
    assert starec("show", run)[0] == 0
    status, _, stderr = starec("estimate", run, "--trust")
    assert "was not made here" not in stderr


@pytest.mark.slow
def test_settings_of_an_audit_that_were_exchanged_are_not_made_here(tmp_path, starec, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = ("--data", "synthetic")
    starec("audit", "lexical", *data, "--users", "6", "--only", "form")
    (run,) = (tmp_path / "runs").iterdir()
    manifest = json.loads((run / "manifest.json").read_text()) | {"status": "paused"}
    (run / "manifest.json").write_text(json.dumps(manifest))
    settings = (run / "audit.yaml").read_text()
    assert "use: lexical" in settings
    server = "use: openai\n  model: m\n  base_url: http://elsewhere.example/v1"
    (run / "audit.yaml").write_text(settings.replace("use: lexical", server, 1))
    status, _, stderr = starec("resume", run)
    assert status == 2 and "--trust" in stderr, stderr


@pytest.mark.parametrize(
    ("settings", "is_refused"),
    [
        ({"base_url": "http://127.0.0.1:8000/v1"}, False),
        ({"base_url": "http://localhost:8000/v1"}, False),
        ({"base_url": "http://[::1]:8000/v1"}, False),
        ({"trust_env": True, "model": "a/b"}, False),
        ({"base_url": "http://localhost.example.com/v1"}, True),
        ({"base_url": "http://127.0.0.1@example.com/v1"}, True),
        ({"base_url": "//example.com/v1"}, True),
        ({"openai_api_base": "https://example.com/v1"}, True),
        ({"base_url": "http://localhost/v1", "api_key_env": "ANY"}, True),
    ],
)
def test_only_this_machine_without_a_key_needs_no_trust(settings, is_refused):
    refused = []

    def refuse(setting):
        refused.append(setting)
        return ValueError(setting)

    with contextlib.suppress(ValueError), allowed_endpoints(refuse):
        check_endpoint({"use": "openai", **settings}, "policies.fast")
    assert bool(refused) == is_refused
    check_endpoint({"use": "openai", **settings}, "policies.fast")
