"""A local policy in a run: its answers whatever the batch, and what is made of a failed call."""

import sqlite3
from contextlib import closing

import pytest

from starec_sim import runner
from starec_sim.errors import PausedError, PolicyError
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment


@pytest.fixture
def play(tmp_path):
    def run(changes=(), **policy):
        spec = {"use": "local", "max_tokens": 8, "dtype": "fp32", **policy}
        values = {
            "name": "local",
            "rounds": 1,
            "runs_dir": tmp_path / "runs",
            "data": {"use": "synthetic", "users": 4, "items": 100},
            "environment": {"use": "ranking", "candidates": 4, "choices": 1},
            "agent": {"use": "star", "gate": {"when": "never"}},
            "policies": {"fast": spec, "slow": spec},
            # Long enough that a second attempt would be noticed.
            "gateway": {"backoff_s": 600},
        }
        return runner.run(Experiment.model_validate({**values, **dict(changes)}), RunEvents())

    return run


def test_a_missing_model_is_named_before_there_is_a_run(play, tmp_path):
    with pytest.raises(PolicyError, match="there is no folder /nowhere/tiny") as refused:
        play(model="/nowhere/tiny")
    assert "the path is read from" in refused.value.hint
    assert not list((tmp_path / "runs").iterdir())


def test_a_missing_adapter_is_named_before_there_is_a_run(play, model_folder, tmp_path):
    with pytest.raises(PolicyError, match="adapter: /nowhere/adapter does not exist"):
        play(model=str(model_folder), adapter="/nowhere/adapter")
    assert not list((tmp_path / "runs").iterdir())


def test_a_run_pauses_where_no_prompt_fits(play, model_folder):
    with pytest.raises(PausedError, match=r"first 4 questions were refused: .* than the 512 that"):
        play(model=str(model_folder))


@pytest.mark.slow
def test_answers_of_nano_depend_neither_on_the_executor_nor_on_the_batch(play, one_thread):
    def played(executor, concurrency, max_batch):
        changes = {
            "executor": executor,
            "concurrency": concurrency,
            "data": {"use": "synthetic", "users": 12, "items": 100},
            "environment": {"use": "ranking", "candidates": 6, "choices": 2},
        }
        result = play(changes, use="nano", max_tokens=400, dtype="auto", max_batch=max_batch)
        columns = "round, user, step, node, attempt, prompt, completion, logprobs"
        with closing(sqlite3.connect(result.folder / "run.sqlite")) as db:
            rows = db.execute(f"SELECT {columns} FROM tokens ORDER BY 1, 2, 3, 4, 5").fetchall()
        return result.digest, rows

    alone = played("per_user", 1, 1)
    assert len(alone[1]) >= 12
    assert played("per_user", 12, 5) == alone
    assert played({"use": "cohort", "size": 12}, 12, 128) == alone
