"""A paused run says why and how to resume it: as text, as JSON, and by its exit status."""

import pytest

from starec_sim.cli.audit_result import AuditProgress
from starec_sim.cli.evaluation_progress import EvaluationProgress
from starec_sim.cli.failures import failure_of
from starec_sim.cli.run_progress import RunProgress
from starec_sim.cli.train_progress import TrainProgress
from starec_sim.cli.unfinished import UnfinishedError, how_to_resume
from starec_sim.errors import ConfigError, PausedError, PluginInterrupt, PolicyError


def test_a_spent_budget_is_status_3_with_the_command_that_goes_on(starec, here):
    said = starec("run", "feed.yaml", "--set", "budget.calls=5")
    assert (said.status, said.out) == (3, "")
    assert "error: the budget is spent: calls 5 of 5" in said.err
    assert "The run paused; everything committed is kept." in said.err
    (run,) = (here / "runs").glob("feed-*")
    assert f"resume runs/{run.name} --budget calls=10" in said.err
    shown = starec("show", "latest").out
    assert "paused" in shown
    assert "the budget is spent: calls 5 of 5" in shown
    assert "--budget calls=10" in shown

    answer = starec("resume", "latest", "--budget", "calls=7", "--json").answer
    assert (answer["status"], answer["reason"]) == ("paused", "budget")
    assert answer["options"] == "--budget calls=14"
    done = starec("resume", "latest", "--budget", "calls=none")
    assert done.status == 0
    assert "Calls" in done.out
    assert "lexical" in done.out


def test_a_budget_that_makes_no_sense_is_named(starec, here):
    starec("run", "feed.yaml", "--set", "budget.calls=5")
    for wrong, said in (
        ("cals=5", 'there is no such key; did you mean "calls"?'),
        ("calls=many", "expected a number"),
        ("calls=", "expected a number"),
        ("calls", "is not KEY=VALUE"),
        ("calls=-1", "budget.calls"),
    ):
        answer = starec("resume", "latest", "--budget", wrong)
        assert answer.status == 2
        assert said in answer.err


def test_a_replay_says_that_it_is_equal(starec, here):
    starec("run", "feed.yaml")
    said = starec("replay", "latest")
    assert said.status == 0
    assert "The replay is equal to the recording: the same digest" in said.err
    assert "from the recording" in said.out


def test_an_estimate_is_told_and_compared_afterwards(starec, here):
    told = starec("estimate", "feed.yaml", "--users", "4", "--rounds", "1")
    assert told.status == 0, told.err
    assert "will take about" in told.out
    as_json = starec("estimate", "feed.yaml", "--users", "4", "--rounds", "1", "--json").answer
    assert as_json["calls"] > 0
    assert "error of the estimate" in starec("run", "feed.yaml").out


@pytest.mark.parametrize(
    ("display", "kind"),
    [
        (RunProgress, "run"),
        (EvaluationProgress, "evaluation"),
        (AuditProgress, "audit"),
        (TrainProgress, "training"),
    ],
)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PausedError("no money", reason="budget", options="--budget calls=6"), "paused"),
        (PausedError("nobody answers", reason="endpoint"), "paused"),
        (KeyboardInterrupt(), "stopped"),
        (PolicyError("it does not load"), "failed"),
        (ValueError("a defect"), "failed"),
    ],
)
def test_every_kind_says_alike_how_it_ended_and_how_to_go_on(display, kind, error, said):
    shown = display()
    assert shown.how_to_resume(error) == "", "nothing is kept yet"
    shown.kept = "runs/it's mine"
    lines = shown.how_to_resume(error).split("\n")
    assert lines[1] == f"The {kind} {said}; everything committed is kept. Go on with"
    options = " --budget calls=6" if getattr(error, "options", "") else ""
    assert lines[3].endswith(f"""resume 'runs/it'"'"'s mine'{options}""")


def test_a_resume_after_a_refusal_is_said_to_help_only_if_the_server_changes():
    error = PausedError("the server refused the request (422)", reason="endpoint")
    error.__cause__ = PolicyError("it refused seed", cause="refused")
    assert "If you change the server and not the settings" in how_to_resume("run", "r", error)
    error.__cause__ = PolicyError("no key", cause="closed")
    assert "is kept. Go on with" in how_to_resume("run", "r", error)


def test_a_resume_after_wrong_settings_is_said_to_help_only_if_something_else_changes():
    error = ConfigError("agent.worth: known, but the environment does not say it")
    assert "If you change something else than the settings" in how_to_resume("run", "r", error)


def test_after_ctrl_c_in_a_plug_in_the_resume_takes_the_mended_code():
    said = how_to_resume("run", "r", PluginInterrupt())
    assert "The run stopped; everything committed is kept. If you mend the plug-in, go on" in said
    assert "resume r --allow-changed-code" in said
    failure = failure_of(UnfinishedError("r", PluginInterrupt(), said))
    assert failure.answer["hint"] == "starec resume r --allow-changed-code"


def test_a_process_of_a_training_that_does_not_print_says_nothing(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    shown = TrainProgress()
    shown.kept = "runs/mine"
    assert shown.how_to_resume(KeyboardInterrupt()) == ""
