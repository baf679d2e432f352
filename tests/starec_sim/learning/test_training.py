"""A training plays, learns and publishes weights; a killed one is resumed with the same losses."""

import asyncio
import json
import math
import signal
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from starec_sim.build import Builder, build_policy
from starec_sim.errors import PausedError
from starec_sim.events import RunEvents
from starec_sim.experiment import read_experiment
from starec_sim.learning.config import Training, template_of, training_of
from starec_sim.learning.split import UserSplit
from starec_sim.learning.teacher import samples_of
from starec_sim.learning.train import _result, train
from starec_sim.learning.training_run import Players, TrainingRun
from starec_sim.learning.weight_sync import ServedWeightSync
from starec_sim.policies.gateway import Policy
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.resume_any import resume
from starec_sim.runs.manifest import read_manifest
from starec_sim.settings import validate
from tests.forked import fork, kill_self, wait

REWARD = "def many(outcome):\n    return outcome.text.count('a') + outcome.text.count('e')\n"
CLOSED = """
from langchain_core.language_models.chat_models import BaseChatModel
from starec_sim.errors import PolicyError

class Closed(BaseChatModel):
    _llm_type = "closed"

    def _generate(self, *messages, **settings):
        raise PolicyError("the key is refused", cause="closed")
"""


@pytest.fixture
def experiment(tmp_path, model_folder):
    """Write a tiny experiment: random weights, and a reward that random text can earn."""
    for name in ("ranking", "reflect"):
        shipped = (files("starec_agents.star") / "prompts" / f"{name}.md").read_text("utf-8")
        asked = shipped.partition("=== user ===")[2]
        limit = "$limit words" if "$limit" in shipped else ""
        (tmp_path / f"{name}.md").write_text(f"Short. {limit}\n=== user ==={asked}")
    (tmp_path / "reward.py").write_text(REWARD)
    policy = {"use": "local", "model": model_folder(), "max_tokens": 8, "dtype": "fp32"}

    def write(architecture="qwen3", **train):
        spec = {**policy, "model": model_folder(architecture)}
        values = {
            "name": "tiny",
            "seed": 1,
            "runs_dir": str(tmp_path / "runs"),
            "data": {"use": "synthetic", "users": 20, "items": 120, "interactions": 30},
            "environment": {"use": "ranking", "candidates": 4, "choices": 4},
            "agent": {
                "use": "star",
                "history_shown": 1,
                "gate": {"when": "always"},
                "prompts": str(tmp_path),
            },
            "policies": {"fast": spec, "slow": spec},
            "train": {
                "method": "full",
                "dtype": "fp32",
                "sft": {"users": 4, "rounds": 2, "batch": 4, "keywords": []},
                "grpo": {
                    "steps": 5,
                    "users": 2,
                    "rounds": 2,
                    "size": 3,
                    "rewards": {f"{tmp_path / 'reward.py'}:many": 1.0},
                    "optimisation": {"lr": 0.003},
                },
                "evaluate": {"every": 4, "users": 2, "rounds": 1},
                "checkpoint_every": 2,
                **train,
            },
        }
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


def plays(policies=None):
    """Return what the first process has, without a record."""
    return Players(None, policies or {}, None)


def training_run(asked, folder, players):
    """Return a training of an experiment in a folder."""
    training = training_of(asked)
    split = UserSplit(Builder(), asked.resolve()["main"], training)
    return TrainingRun(asked, training, split, folder, players, RunEvents())


def kill_after(training, lines):
    """Kill `training(events)`, with no chance to clean up, once it has logged so many lines."""

    def train_and_die():
        logged = 0

        class Dies(RunEvents):
            def logged(self, entry):
                nonlocal logged
                logged += 1
                if logged == lines:
                    kill_self()

            step_finished = validated = logged

        training(Dies())

    assert wait(fork(train_and_die)) == -signal.SIGKILL


def losses(result):
    """Return the loss of each step; NaN if nothing could be learned from it."""
    found = [entry["loss"] for entry in result["steps"] if "loss" in entry]
    return [math.nan if loss is None else loss for loss in found]


def validations(result):
    return [entry["validation"] for entry in result["steps"] if "validation" in entry]


def test_a_training_whose_teacher_has_no_endpoint_says_that_it_paused(starec, experiment, tmp_path):
    (tmp_path / "teacher.py").write_text(CLOSED)
    sft = {"teacher": f"{tmp_path / 'teacher.py'}:Closed", "users": 1, "rounds": 1, "keywords": []}
    path = experiment(sft=sft, evaluate={"users": 0})
    status, out, err = starec("train", path, "--json")
    assert (status, json.loads(out)["reason"]) == (3, "endpoint"), err
    (folder,) = (tmp_path / "runs").iterdir()
    assert "The training paused; everything committed is kept. Go on with" in err
    assert f"    starec resume {folder}\n" in err


@pytest.mark.parametrize(
    "stage",
    ["sft", pytest.param("grpo", marks=pytest.mark.slow)],
)
def test_sigterm_lets_a_training_end_its_step_and_pause(starec, experiment, stage):
    class Terminated(RunEvents):
        def step_finished(self, entry):
            if (entry["stage"], entry["step"]) == (stage, 1):
                signal.raise_signal(signal.SIGTERM)

    path = experiment(evaluate={"users": 0})
    changes = ["train.grpo=null"] if stage == "sft" else ["train.sft=null", "train.grpo.steps=2"]
    whole = train(read_experiment(path, changes))
    with pytest.raises(PausedError, match="SIGTERM"):
        train(read_experiment(path, changes), Terminated())
    _, folder = sorted(whole.folder.parent.iterdir())
    assert read_manifest(folder).status == "paused"
    status, out, err = starec("resume", folder, "--json")
    assert status == 0, err
    assert losses(json.loads(out)) == pytest.approx(
        losses(whole.as_json()), rel=1e-4, abs=1e-6, nan_ok=True
    )


@pytest.mark.slow
def test_a_finished_training_is_read_though_its_plugin_was_changed(starec, experiment, tmp_path):
    changes = ["train.sft=null", "train.grpo.steps=1", "train.grpo.nodes=[fast]"]
    finished = train(read_experiment(experiment(evaluate={"users": 0}), changes))
    (tmp_path / "reward.py").write_text("raise RuntimeError\n")
    status, out, err = starec("resume", finished.folder, "--json")
    assert status == 0, err
    assert json.loads(out)["version"] == str(finished.version)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_that_spent_its_budget_goes_on_with_more(starec, experiment, tmp_path):
    changes = ["--set", "budget.calls=3", "--set", "train.grpo.steps=1"]
    status, out, err = starec("train", experiment(), *changes, "--json")
    assert status == 3, err
    assert json.loads(out)["options"] == "--budget calls=6"
    (folder,) = (tmp_path / "runs").iterdir()
    assert "The training paused; everything committed is kept. Go on with" in err
    assert f"    starec resume {folder} --budget calls=6\n" in err
    status, out, err = starec("resume", folder, "--budget", "calls=5", "--json")
    assert (status, json.loads(out)["options"]) == (3, "--budget calls=10"), err
    status, _, err = starec("resume", folder, "--budget", "cals=5")
    assert status == 2 and 'did you mean "calls"' in err
    status, _, err = starec("resume", folder, "--budget", "calls=none")
    assert status == 0, err


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("method", "kills", "steps", "validated"),
    [("full", [3, 5], 3, 3), ("lora", [1], 2, 2)],
    ids=["in SFT and between checkpoints", "an adapter, before any checkpoint"],
)
def test_a_killed_training_goes_on_to_the_same_losses(
    starec, experiment, tmp_path, method, kills, steps, validated
):
    evaluate = {"every": 2, "users": 2, "rounds": 1}
    path = experiment(method=method, evaluate=evaluate)
    path.write_text(path.read_text().replace("steps: 5", f"steps: {steps}"))

    def result_of(*command):
        status, out, err = starec(*command, "--json")
        assert status == 0, err
        return json.loads(out)

    whole = result_of("train", path, "--set", f"runs_dir={tmp_path / 'whole'}")
    assert len(losses(whole)) == 4 + steps
    assert any(map(math.isfinite, losses(whole)[4:])), "something was learned"
    assert len(validations(whole)) == validated

    first, *further = kills
    kill_after(lambda events: train(read_experiment(path), events), first)
    (folder,) = (tmp_path / "runs").iterdir()
    for lines in further:
        kill_after(lambda events: resume(folder, events), lines)
    resumed = result_of("resume", folder)
    assert losses(resumed) == pytest.approx(losses(whole), rel=1e-4, abs=1e-6, nan_ok=True)
    assert len(validations(resumed)) == validated
    assert resumed["changes"].keys() == whole["changes"].keys() >= {"reward", "ndcg@1"}
    for name, changed in whole["changes"].items():
        again = resumed["changes"][name]["change"]
        assert again["mean"] == pytest.approx(changed["change"]["mean"], abs=1e-6)
    # Every version that ever played is there to be played again.
    versions = {place.name for place in (folder / "versions").iterdir()}
    assert {f"{step:06d}" for step in range(steps + 1)} <= versions
    again = losses(result_of("resume", folder, "--concurrency", "2"))
    assert again == pytest.approx(losses(resumed), rel=0, abs=0, nan_ok=True), "it is finished"


@pytest.mark.slow
def test_a_training_by_pairs_goes_on_where_it_was_killed(starec, experiment, tmp_path):
    feedback = yaml.safe_load(experiment().read_text())["train"]["grpo"]
    path = experiment(
        sft=None,
        dpo={**feedback, "steps": 3, "nodes": ["fast"]},
        grpo=None,
        evaluate={"users": 0},
    )
    whole = train(read_experiment(path, [f"runs_dir={tmp_path / 'whole'}"]))
    steps = [entry for entry in whole.steps if "loss" in entry]
    assert [entry["stage"] for entry in steps] == ["dpo"] * 3
    assert any(entry["pairs"] > 0 and math.isfinite(entry["margin"]) for entry in steps)
    kill_after(lambda events: train(read_experiment(path), events), 2)
    (folder,) = (tmp_path / "runs").iterdir()
    resumed = resume(folder)
    again = [entry["loss"] for entry in resumed.steps if "loss" in entry]
    assert again == pytest.approx([e["loss"] for e in steps], rel=1e-4, nan_ok=True)


@pytest.mark.slow
def test_a_training_can_learn_from_summaries_alone(starec, experiment):
    """A summary is rewarded in the next round, so the first of an episode has nothing to learn."""
    train = {"sft": None, "evaluate": {"users": 0}}
    changes = ["--set", "train.grpo.nodes=[slow]", "--set", "train.grpo.steps=3"]
    status, out, err = starec("train", experiment(**train), *changes, "--json")
    assert status == 0, err
    assert [entry["rollouts"] > 0 for entry in json.loads(out)["steps"]] == [
        False,
        True,
        False,
    ]


def test_samples_are_imitated_although_no_user_visits_in_a_later_round_of_the_teacher(
    starec, experiment
):
    changes = ["--set", "environment.choices=1", "--set", "train.grpo=null"]
    changes += ["--set", "executor.workers=3"]  # which no training uses
    status, out, err = starec("train", experiment(evaluate={"users": 0}), *changes, "--json")
    assert status == 0 and "executor" not in err, err
    assert losses(json.loads(out)), "the second round of the teacher's was empty"


def test_what_a_server_played_is_played_here_afterwards(experiment, model_folder, tmp_path):
    asked = read_experiment(experiment(method="lora", model=model_folder()))
    fast = {"use": "openai", "model": "base", "base_url": "http://localhost/v1", "max_tokens": 9}
    served = asked.model_copy(update={"policies": asked.policies.model_copy(update={"fast": fast})})
    assert _result(tmp_path, served, training_of(asked), tmp_path / "v").policy == {
        "use": "local",
        "model": model_folder(),
        "max_tokens": 9,
        "adapter": str(tmp_path / "v"),
    }


def test_an_adapter_stays_on_the_weights_it_was_trained_on(experiment, tmp_path):
    asked = read_experiment(experiment(method="lora"))
    nano = asked.policies.model_copy(update={"fast": {"use": "nano", "stage": "anchored"}})
    asked = asked.model_copy(update={"policies": nano})
    training = validate(Training, asked.train, "train")
    played = _result(tmp_path, asked, training, tmp_path / "v").policy
    assert played == {"use": "nano", "stage": "anchored", "adapter": str(tmp_path / "v")}
    whole = training.model_copy(update={"method": "full"})
    played = _result(tmp_path, asked, whole, tmp_path / "v").policy
    assert played == {"use": "nano", "model": str(tmp_path / "v")}


def test_samples_are_imitated_as_the_policy_that_plays_is_asked(experiment, model_folder):
    asked, values = read_experiment(experiment()), {"enable_thinking": False}
    for fast in (
        {"use": "local", "model": model_folder(), "chat_template_kwargs": values},
        {"use": "openai", "model": "m", "extra_body": {"chat_template_kwargs": values}},
    ):
        policies = asked.policies.model_copy(update={"fast": fast})
        playing = asked.model_copy(update={"policies": policies})
        assert template_of(playing, Training()) == values
        assert template_of(playing, Training(chat_template_kwargs={})) == {}


def test_samples_that_change_do_not_change_what_is_imitated(experiment, tmp_path):
    path = tmp_path / "samples.jsonl"
    line = '{"messages": [["user", "asked"]], "answer": "%s"}\n'
    path.write_text(line % "before")
    asked = read_experiment(experiment(sft={"samples": str(path)}))
    run = training_run(asked, tmp_path / "run", plays())
    for _ in range(2):
        (sample,) = asyncio.run(samples_of(run, run.settings.sft))
        assert sample.answer == "before"
        path.write_text(line % "after")


@pytest.mark.slow
def test_a_training_that_diverged_is_not_to_be_resumed(starec, experiment):
    changes = ["--set", "train.guards.kl=1.0e-9", "--set", "train.sft=null"]
    status, _, err = starec("train", experiment(evaluate={"users": 0}), *changes)
    assert status == 2 and "away from the reference policy" in err
    assert "config.yaml --set train.grpo.optimisation.lr=RATE" in err and "resume /" not in err


@pytest.mark.parametrize("what", ["model", "adapter"])
def test_what_is_not_there_is_named_before_a_run_is_made(starec, experiment, tmp_path, what):
    changes = [f"policies.{node}.{what}={tmp_path / 'nowhere'}" for node in ("fast", "slow")]
    options = [word for change in changes for word in ("--set", change)]
    status, _, err = starec("train", experiment(), *options)
    assert status == 2 and f"{tmp_path / 'nowhere'}" in err
    assert "resume" not in err and not [*(tmp_path / "runs").glob("*")]


def test_a_server_gets_the_name_of_the_training_with_each_version(
    experiment, tmp_path, monkeypatch
):
    posted = []
    post = lambda self, *what, gone=None: posted.append(what)  # noqa: E731
    monkeypatch.setattr(ServedWeightSync, "_post", post)
    asked = read_experiment(experiment(method="lora"))
    model = OpenAIPolicy(model="base", base_url="http://localhost/v1", token_ids=True)
    for name in ("one", "other"):
        playing = {"fast": Policy("served", model)}
        folder = tmp_path / name
        run = training_run(asked, folder, plays(playing))
        for step in (1, 2):
            run.publish(step)
            assert model.model == f"{name}-{step:06d}"
    assert [(what.partition("_")[0], values["lora_name"]) for what, values in posted] == [
        (what, f"{name}-{version}")
        for name in ("one", "other")
        for what, version in (("load", "000001"), ("load", "000002"), ("unload", "000001"))
    ]


@pytest.mark.slow
def test_the_policies_and_the_teacher_are_closed_at_the_end(starec, experiment, monkeypatch):
    closed = []

    async def close(policy):
        closed.append(policy.name)

    monkeypatch.setattr(Policy, "close", close)
    teacher = {"teacher": {"use": "lexical"}, "users": 1, "rounds": 1, "keywords": []}
    path = experiment(sft=teacher, evaluate={"users": 0})
    status, _, err = starec("train", path, "--set", "train.grpo.steps=1")
    assert status == 0, err
    assert {"lexical", "local"} <= {name.partition(":")[0] for name in closed}, closed


@pytest.mark.slow
def test_an_adapter_learns_and_can_be_played(starec, experiment):
    path = experiment("llama", method="lora", lora={"rank": 4}, sft=None, evaluate={"users": 0})
    status, out, err = starec("train", path, "--set", "train.grpo.steps=2", "--json")
    assert status == 0, err
    result = json.loads(out)
    build_policy(result["policy"], "policies.fast")
    assert Path(result["policy"]["adapter"], "adapter_model.safetensors").is_file()
    played = [entry["version"] for entry in result["steps"]]
    assert len(set(played)) == 2, "each step is played by the version before it"


def test_activations_are_computed_twice_where_the_training_says_so(experiment, tmp_path):
    asked = read_experiment(experiment(gradient_checkpointing=True))
    run = training_run(asked, tmp_path, None)
    assert run.load(None).model.is_gradient_checkpointing
