"""An audit is a run: it is recorded, can be killed and resumed, and asks nothing twice."""

import asyncio
import json
import signal
from contextlib import suppress

import pytest
from langchain_core.language_models.chat_models import BaseChatModel

from starec_sim import read_run, resume
from starec_sim.errors import ConfigError, PausedError, PolicyError, RunError
from starec_sim.evaluation.audits import folder as files
from starec_sim.policies.gateway import endpoint_client
from starec_sim.runs.ledger import read_ledger
from starec_sim.runs.manifest import read_manifest, write_manifest
from starec_sim.runs.reader import reading
from tests.forked import fork, kill_self, wait

USERS = 4
REPLAYED = 12
"""Calls of the replay: three choices of four users, without reflection at least one each."""


@pytest.fixture
def asked(monkeypatch):
    """Count the calls of models; `at` calls a function before one of them."""

    class Asked(list):
        stops = None

        def at(self, number, act):
            self.stops = (number, act)

    calls, ainvoke = Asked(), BaseChatModel.ainvoke

    async def counted(self, *arguments, **options):
        calls.append(1)
        if calls.stops is not None and len(calls) == calls.stops[0]:
            calls.stops[1]()
        return await ainvoke(self, *arguments, **options)

    monkeypatch.setattr(BaseChatModel, "ainvoke", counted)
    return calls


def stop():
    raise KeyboardInterrupt


def recorded_calls(folder):
    with reading(folder) as reader:
        return read_ledger(reader.db).total("calls")


def the_only(folder):
    (found,) = folder.iterdir()
    return found


def text(report):
    """All of a report; figures that are NaN are equal there."""
    return json.dumps(report.as_json())


@pytest.fixture(scope="module")
def undisturbed(audited):
    return audited("Moody", "retest", "reflection", users=USERS)


@pytest.mark.slow
@pytest.mark.parametrize("at", [REPLAYED // 2, 50], ids=["replay", "questions"])
def test_an_audit_that_was_killed_goes_on(at, undisturbed, audited, asked, tmp_path) -> None:
    asked.at(at, kill_self)
    child = fork(
        lambda: audited("Moody", "retest", "reflection", users=USERS, concurrency=4,
                        runs_dir=tmp_path)
    )  # fmt: skip
    assert wait(child) == -signal.SIGKILL
    folder = the_only(tmp_path)
    assert read_manifest(folder).status == "interrupted"
    kept = recorded_calls(folder)
    # What was answered within the last second may be lost; a committed round never is.
    assert 0 < kept < at or at < REPLAYED
    asked.stops = None
    report = resume(folder)
    assert text(report) == text(undisturbed)
    assert len(asked) == report.about["calls"] - kept
    manifest = read_manifest(folder)
    assert (manifest.kind, manifest.status) == ("audit", "finished")
    assert manifest.counts["turns"] == report.about["calls"]


@pytest.mark.slow
def test_the_same_command_goes_on_with_a_stopped_one(undisturbed, audited, asked, tmp_path) -> None:
    def again(*only, **settings):
        return audited("Moody", *only, users=USERS, runs_dir=tmp_path, **settings)

    asked.at(40, stop)
    with pytest.raises(KeyboardInterrupt):
        again("retest", "reflection", concurrency=1)
    folder = the_only(tmp_path)
    assert read_manifest(folder).status == "paused"
    assert recorded_calls(folder) == 39, "everything that was answered before the stop"
    report = again("retest", "reflection")
    assert text(report) == text(undisturbed) and the_only(tmp_path) == folder
    assert len(asked) == report.about["calls"] + 1, "the one that was stopped is asked again"
    assert text(resume(folder)) == text(report)
    assert len(asked) == report.about["calls"] + 1, "a finished one is read"
    again("form")
    assert len(list(tmp_path.iterdir())) == 2, "other settings are another audit"


@pytest.mark.slow
def test_a_resumed_audit_can_have_a_budget(undisturbed, audited, asked, tmp_path) -> None:
    asked.at(16, stop)
    with suppress(KeyboardInterrupt):
        audited("Moody", "retest", "reflection", users=USERS, runs_dir=tmp_path)
    folder = the_only(tmp_path)
    with pytest.raises(PausedError):
        resume(folder, budget={"calls": 30})
    assert read_manifest(folder).status == "paused"
    report = resume(folder, budget={"calls": None}, concurrency=2)
    assert text(report) == text(undisturbed)


@pytest.mark.slow
def test_a_session_that_was_stopped_between_its_pages_goes_on(audited, asked, tmp_path) -> None:
    undisturbed = audited("Picky", "activity", users=3)
    calls = len(asked)
    asked.stops, asked[:] = (calls - 5, stop), []
    with pytest.raises(KeyboardInterrupt):
        audited("Picky", "activity", users=3, concurrency=1, runs_dir=tmp_path)
    report = audited("Picky", "activity", users=3, runs_dir=tmp_path)
    assert text(report) == text(undisturbed)
    assert len(asked) == calls + 1, "the one that was stopped is asked again"


def test_an_audit_can_have_a_budget_from_its_start(audited, asked, tmp_path) -> None:
    def again(**settings):
        return audited("Moody", "form", users=USERS, runs_dir=tmp_path, **settings)

    with pytest.raises(PausedError, match="calls 5 of 5") as paused:
        again(budget={"calls": 5})
    assert paused.value.options == "--budget calls=10"
    folder = the_only(tmp_path)
    assert read_manifest(folder).budget == {"calls": 5} and len(asked) == 5
    with pytest.raises(PausedError, match="calls 5 of 5"):
        again()
    report = again(budget={"calls": None})
    assert the_only(tmp_path) == folder and len(asked) == report.about["calls"]


def test_money_is_limited_only_where_the_price_is_known(audited, tmp_path) -> None:
    with pytest.raises(ConfigError, match="policy has no price"):
        audited("Moody", "form", users=USERS, runs_dir=tmp_path, budget={"usd": 1})
    assert not list(tmp_path.iterdir())


def test_sigterm_lets_an_audit_end_what_it_asks_and_pause(audited, asked, tmp_path) -> None:
    def again():
        return audited("Moody", "retest", users=USERS, concurrency=2, runs_dir=tmp_path)

    at = REPLAYED + 3
    asked.at(at, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(PausedError, match="SIGTERM"):
        again()
    folder = the_only(tmp_path)
    assert read_manifest(folder).status == "paused"
    assert len(asked) - at <= 1 and recorded_calls(folder) == len(asked)
    report = again()
    assert len(asked) == report.about["calls"], "nothing is asked twice"


@pytest.fixture
def without_waits(monkeypatch):
    """Let the gateway repeat a call at once."""
    sleep = asyncio.sleep
    monkeypatch.setattr(endpoint_client.asyncio, "sleep", lambda seconds: sleep(0))


def test_calls_that_failed_are_asked_once_more_and_then_make_no_choice(
    audited, asked, without_waits, tmp_path
) -> None:
    with pytest.raises(PolicyError, match=r"calls of the policy .* failed"):
        audited("Flaky", "form", users=12, runs_dir=tmp_path)
    folder = the_only(tmp_path)
    assert read_manifest(folder).status == "failed"
    with reading(folder) as reader:
        assert read_ledger(reader.db).total("failed") == 0
    before = len(asked)
    report = resume(folder)
    assert len(asked) > before
    assert read_manifest(folder).status == "finished"
    assert report.refused.startswith(f"{report.about['refused']} calls were refused or failed and")
    assert "reset by the server" in report.refused
    assert report.results[0].metrics["malformed"].interval.mean > 0


def test_what_was_replayed_can_be_read(audited, tmp_path) -> None:
    audited("lexical", "form", users=USERS, runs_dir=tmp_path)
    run = read_run(the_only(tmp_path))
    assert run.manifest.kind == "audit" and run.configuration == {}
    assert {step.round for step in run.steps()} == {0, 1, 2}
    assert len(list(run.memories())) == USERS
    assert {turn.round for turn in run.turns()} == {0, 1, 2}, "the questions belong to no visit"
    assert files.read_settings(run.folder).only == ("form",)
    assert json.loads((run.folder / "audit.json").read_text())["page"].endswith("audit.html")


def test_an_audit_of_another_version_or_without_settings_is_refused(
    audited, without_waits, tmp_path
) -> None:
    with pytest.raises(PolicyError):
        audited("Flaky", "form", users=12, runs_dir=tmp_path)
    folder = the_only(tmp_path)
    manifest = read_manifest(folder)
    manifest.versions["starec-sim"] = "0.0.1"
    write_manifest(folder, manifest)
    with pytest.raises(RunError, match=r"the audit began with starec-sim 0\.0\.1"):
        resume(folder)
    (folder / "audit.yaml").unlink()
    with pytest.raises(RunError, match="holds no audit"):
        resume(folder)
