from pathlib import Path

import pytest
import yaml

from starec_sim.events import RunEvents

HERE = Path(__file__).parent


@pytest.fixture
def quiet():
    return RunEvents()


@pytest.fixture
def write_experiment(tmp_path):
    """Write an experiment file; the policy logs its calls to `calls`."""

    def write(environment=None, **changes):
        policy = {
            "use": f"{HERE / 'counting_policy.py'}:CountingPolicy",
            "log": str(tmp_path / "calls"),
        }
        values = {
            "name": "test",
            "seed": 3,
            "rounds": 4,
            "runs_dir": str(tmp_path / "runs"),
            "data": {"use": "synthetic", "users": 12, "items": 120},
            "environment": environment or {"use": "feed", "recommender": "als", "page_size": 6},
            "policies": {"fast": policy, "slow": policy},
            **changes,
        }
        path = tmp_path / "experiment.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write
