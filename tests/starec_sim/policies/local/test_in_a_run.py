"""What a run makes of a local policy that cannot answer: a pause, or one user's failed call."""

import pytest

from starec_sim import runner
from starec_sim.errors import PausedError, PolicyError
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment


@pytest.fixture
def play(tmp_path):
    def run(**policy):
        spec = {"use": "local", "max_tokens": 8, "dtype": "fp32", **policy}
        experiment = Experiment(
            name="local",
            rounds=1,
            runs_dir=tmp_path / "runs",
            data={"use": "synthetic", "users": 4, "items": 100},
            environment={"use": "ranking", "candidates": 4, "choices": 1},
            agent={"use": "star", "gate": {"when": "never"}},
            policies={"fast": spec, "slow": spec},
            # Long enough that a second attempt would be noticed.
            gateway={"backoff_s": 600},
        )
        return runner.run(experiment, RunEvents())

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
