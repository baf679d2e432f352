"""Results that no change of structure may move: digests of small runs, and losses of a training.

`values.json` holds what 0.1.0 computed. `python tests/golden/test_golden.py` prints what the code
computes now; a change of a value needs a reason in the changelog.
"""

import json
import math
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
EXPERIMENTS = HERE.parents[1] / "experiments"
VALUES = json.loads((HERE / "values.json").read_text())

RUNS = {
    "quickstart": (
        "01_quickstart",
        *("data.users=12", "data.items=120", "data.interactions=12", "rounds=3"),
    ),
    "feed without BLAS": (
        "01_quickstart",
        *("data.users=8", "data.items=120", "data.interactions=12", "rounds=2"),
        *("environment.recommender=popularity", "arms.frozen={environment.recommender: random}"),
    ),
    "ranking": (
        "03_reflection",
        *("data={use: synthetic, users: 12, items: 120, interactions: 30}", "rounds=3"),
        *("replicates=2", "environment.signals=[popularity, rating, together]"),
    ),
    "reasoner with reflection": (
        "07_memory/reflection.yaml",
        *("data.users=40", "data.items=200", "environment.users=6", "rounds=3", "replicates=1"),
    ),
}
TRAINING = (
    "00_demo",
    *("data.users=40", "data.items=120", "data.interactions=30", "concurrency=4"),
    *("train.method=lora", "train.lora.rank=2", "train.dtype=fp32"),
    # `auto` is bf16 on some processors, and other tokens are drawn.
    *("policies.fast.dtype=fp32", "policies.slow.dtype=fp32"),
    *("train.grpo.steps=1", "train.grpo.users=3", "train.grpo.size=4"),
    *("train.evaluate.users=2", "train.evaluate.rounds=1"),
    "train.sft={teacher: reasoner, users: 3, rounds: 1, batch: 2, nodes: [fast]}",
)

TOLERANCE = 1e-4
"""Relative; for losses, gradients and entropies on every processor.

The values were recorded on a processor with AVX-512, where they are met to the bit. With AVX2 alone
(`ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2`) and without any of these instructions
(`ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41`) numbers are added in another order, and the
values differ by at most 1.6e-5.
"""


def settings(changes):
    return [argument for change in changes for argument in ("--set", change)]


def answer(starec, *arguments):
    status, out, err = starec(*arguments, "--json")
    assert status == 0, err
    return json.loads(out)


@pytest.fixture
def old_runs(tmp_path):
    """Unpack the run folders that 0.1.0 made; they know the folder they were started in."""
    with tarfile.open(HERE / "runs_of_0_1_0.tar.xz") as archive:
        archive.extractall(tmp_path / "runs", filter="data")
    for manifest in tmp_path.glob("runs/*/manifest.json"):
        manifest.write_text(manifest.read_text().replace("FOLDER", str(tmp_path)))
    return tmp_path / "runs"


@pytest.mark.slow
def test_runs_have_the_digests_they_had(starec, tmp_path):
    for name, (experiment, *changes) in RUNS.items():
        ran = answer(
            starec, "run", EXPERIMENTS / experiment, *settings([*changes, f"runs_dir={tmp_path}"])
        )
        assert ran["digest"] == VALUES["digests"][name], name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["feed without BLAS", "reasoner with reflection"])
def test_cohorts_have_the_same_digests(starec, tmp_path, name):
    experiment, *changes = RUNS[name]
    cohort = "executor={use: cohort, size: 5}"
    arguments = settings([*changes, f"runs_dir={tmp_path}", cohort])
    ran = answer(starec, "run", EXPERIMENTS / experiment, *arguments)
    assert ran["digest"] == VALUES["digests"][name]


def table_of_a_small_evaluation(place):
    from starec_sim.evaluation import Evaluation, evaluate

    evaluation = Evaluation(
        data={"use": "synthetic", "users": 24, "items": 120, "interactions": 30},
        protocol={
            "name": "small",
            **{"candidates": 5, "draws": 1, "at": [1, 5], "history": 2},
            "users": {"count": 4},
        },
        policies=[{"use": "lexical"}],
        rows=[
            {"name": "random", "floor": "random"},
            {"name": "popularity", "recommender": "popularity"},
            {"name": "{policy}", "agent": "star"},
        ],
        runs_dir=place,
    )
    return evaluate(evaluation)[1]


def test_an_evaluation_has_the_digest_it_had(tmp_path):
    assert table_of_a_small_evaluation(tmp_path).digest == VALUES["digests"]["evaluation"]


def trained(starec, place):
    experiment, *changes = TRAINING
    result = answer(
        starec, "train", EXPERIMENTS / experiment, *settings([*changes, f"runs_dir={place}"])
    )
    return [
        {key: entry[key] for key in ("loss", "gradient", "entropy", "kl") if key in entry}
        for entry in result["steps"]
        if "loss" in entry
    ]


@pytest.mark.slow
def test_steps_of_sft_and_grpo_have_the_losses_they_had(starec, tmp_path):
    found, expected = trained(starec, tmp_path), VALUES["losses"]
    assert len(found) == len(expected)
    for step, (now, before) in enumerate(zip(found, expected, strict=True)):
        assert now.keys() == before.keys()
        for name, value in before.items():
            assert math.isclose(now[name], value, rel_tol=TOLERANCE, abs_tol=1e-6), (step, name)


def test_a_run_of_0_1_0_is_replayed_to_its_digest(starec, old_runs):
    replayed = answer(starec, "replay", old_runs / "finished", "--runs-dir", old_runs)
    assert replayed["digest"] == replayed["replayed"] == VALUES["digests"]["finished in 0.1.0"]


def test_a_run_of_0_1_0_is_resumed_or_the_reason_is_named(starec, old_runs):
    status, out, err = starec("resume", old_runs / "paused", "--budget", "calls=none", "--json")
    if version("starec-sim") == "0.1.0":
        assert json.loads(out)["digest"] == VALUES["digests"]["paused in 0.1.0"]
    else:
        assert status == 2
        assert "0.1.0" in err and version("starec-sim") in err


def test_folders_of_0_1_0_can_be_read(starec, old_runs):
    assert len(answer(starec, "runs", "--runs-dir", old_runs)["runs"]) == 4
    shown = answer(starec, "show", old_runs / "finished")
    assert shown["digest"] == VALUES["digests"]["finished in 0.1.0"]
    assert answer(starec, "show", old_runs / "paused")["status"] == "paused"
    assert answer(starec, "show", old_runs / "trained")["status"] == "finished"
    table = answer(starec, "table", old_runs / "evaluated")
    assert [row["name"] for row in table["rows"]] == ["random", "popularity", "lexical"]
    assert answer(starec, "resume", old_runs / "evaluated")["status"] == "finished"


if __name__ == "__main__":
    import subprocess
    import tempfile

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "starec_sim", *map(str, arguments)],
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    place = Path(tempfile.mkdtemp())
    digests = {
        name: answer(
            command, "run", EXPERIMENTS / experiment, *settings([*changes, f"runs_dir={place}"])
        )["digest"]
        for name, (experiment, *changes) in RUNS.items()
    }
    digests["evaluation"] = table_of_a_small_evaluation(place).digest
    print(
        json.dumps(
            {
                "processor": torch.backends.cpu.get_cpu_capability(),
                "digests": digests,
                "losses": trained(command, place),
            },
            indent=2,
        )
    )
