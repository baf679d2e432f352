"""A dry run says what a training would take, and trains nothing."""

import json
from pathlib import Path

import pytest

from starec_sim.experiment import read_experiment
from starec_sim.learning.model_size import _KNOWN, shape_of
from starec_sim.learning.models import Lora, load

BIGGER = sorted((Path(__file__).parents[3] / "experiments" / "06_bigger_models").glob("qwen*.yaml"))
MEASURED_GIB = {"qwen2.5-0.5b": 24.3, "qwen2.5-1.5b": 50.1, "qwen2.5-7b": 24.4}
"""What `benchmarks/learner_memory.py` measured on an H200."""


@pytest.fixture
def starec(starec, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return starec


def validations(path):
    """One before the first of 200 steps, one after the last, and those on the way."""
    evaluate = read_experiment(path).train["evaluate"]
    return (200 // evaluate["every"] + 1) * evaluate["users"] * evaluate.get("rounds", 2)


@pytest.mark.slow
@pytest.mark.parametrize("path", BIGGER, ids=lambda path: path.stem)
def test_the_bigger_models_validate_and_are_planned_without_a_download(starec, path, tmp_path):
    status, out, err = starec("train", path, "--data", "synthetic,items=200", "--dry-run", "--json")
    assert status == 0, err
    plan = json.loads(out)
    size = float(plan["model"].partition("Qwen2.5-")[2].partition("B")[0]) * 1e9
    assert plan["parameters"] == pytest.approx(size, rel=0.1)
    assert plan["trainable"] < 0.06 * plan["parameters"]
    measured = MEASURED_GIB[path.stem]
    assert measured <= plan["learner_gib"] <= 1.1 * measured, "enough, and little more"
    assert plan["learner_gib"] < 80, "it fits one card"
    # In each step 64 visits: 8 answers of either node, and 8 rankings that reward the summaries.
    assert plan["steps"] == 200
    assert plan["calls"] == 200 * 64 * 8 * 3 + validations(path) * 2
    assert plan["teacher_calls"] == plan["sft_samples"] * 3, "two more for a rejected answer"
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_a_teacher_plays_no_more_users_than_there_are_and_a_file_holds_what_it_holds(
    starec, tmp_path
):
    file = tmp_path / "samples.jsonl"
    file.write_text('{"messages": [["user", "Well?"]], "answer": "Well."}\n' * 70)
    data = ["--set", "data={use: synthetic, users: 100}", "--set", "train.sft.batch=32"]
    teacher = ["--set", "train.sft.users=5000", "--set", "train.sft.rounds=2"]

    def planned(*more):
        asked = [*data, *teacher, *more, "--set", "train.sft.nodes=[fast]", "--dry-run", "--json"]
        status, out, err = starec("train", BIGGER[0], *asked)
        assert status == 0, err
        plan = json.loads(out)
        return plan["sft_samples"], plan["sft_updates"]

    samples, _ = planned()
    assert 100 < samples < 200, "two rounds of those of 100 who train"
    assert planned("--set", f"train.sft.samples={file}") == (70, 6), "two epochs"


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
def test_the_arithmetic_of_a_shape_agrees_with_the_model(model_folder, architecture):
    folder = model_folder(architecture)
    shape = shape_of(folder)
    whole = load(folder, method="full")
    counted = sum(p.numel() for p in whole.model.parameters() if p.dim() > 1)
    assert shape.parameters == counted
    adapted = load(folder, method="lora", lora=Lora(rank=4))
    assert shape.adapter(Lora(rank=4)) == sum(p.numel() for p in adapted.trainable().values())


def test_the_listed_shapes_have_the_size_of_their_names():
    assert {name: round(shape.parameters / 1e9, 1) for name, shape in _KNOWN.items()} == {
        "Qwen2.5-0.5B": 0.5,
        "Qwen2.5-1.5B": 1.5,
        "Qwen2.5-7B": 7.6,
    }


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("train.grpo.step=3", "train.grpo.step: there is no such key; did you mean"),
        ("train=null", "has no `train`, so there is nothing to learn"),
        ("policies.fast.top_p=0.9", "policies.fast.top_p: 0.9 leaves nothing to explore"),
        ("policies.fast.top_p=null", "policies.fast.top_p is left to the server"),
        ("policies.fast.structured=json_schema", "policies.fast.structured: changes what the"),
        ("policies.fast.extra_body={top_k: 20}", "policies.fast.extra_body.top_k: changes what"),
        ("train.grpo.objective={credit: position}", "credit: position needs single rankings"),
        ("policies.slow=lexical", "slow answers are learned from only if the same policy"),
        ("arms={a: {}}", "arms: a training has none"),
        ("gateway.replay=latest", "gateway.replay: latest, and a training asks its models itself"),
        ("replicates=3", "replicates: 3, and a training trains once"),
        ("plugin_errors=skip", "plugin_errors: skip, and a training stops when a plug-in fails"),
        ("train.evaluate.share=0", "is no user"),
        (
            "train.sft={teacher: {use: openai, model: m, base_url: http://localhost:1}}",
            "budget.usd: train.sft.teacher has no price",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_starts(starec, change, complaint):
    changes = ["--set", change]
    if "policies.fast" in change:
        changes += ["--set", "train.grpo.nodes=[fast]"]
    if "teacher" in change:
        changes += ["--set", "budget.usd=1", "--set", "policies={fast: nano, slow: nano}"]
    if "position" in change:
        changes += ["--set", "train.grpo.groups=episode"]
    status, _, err = starec(
        "train", BIGGER[0], "--data", "synthetic", "--dry-run", "--json", *changes
    )
    assert status == 2 and complaint in err
