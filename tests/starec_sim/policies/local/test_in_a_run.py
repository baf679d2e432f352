"""What a run makes of a local policy that cannot answer: a pause, or one user's failed call."""

import pytest

from starec_sim import runner
from starec_sim.errors import PolicyError
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


def test_a_prompt_that_does_not_fit_is_a_failed_call_of_its_user(play, model_folder):
    done = play(model=str(model_folder))
    (fast,) = done.ledger.entries
    assert fast.failed == fast.calls == 4, "the window is 512 tokens, and the prompts are longer"
