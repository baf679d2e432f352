import json
from dataclasses import dataclass

import pytest
import yaml

FEED = {
    "name": "feed",
    "rounds": 2,
    "data": {"use": "synthetic", "users": 12, "items": 120, "interactions": 20},
    "environment": {"use": "feed", "recommender": "popularity", "page_size": 4, "pages": 2},
    "policies": {"fast": "lexical", "slow": "lexical"},
}
RANKING = {
    "name": "ranking",
    "rounds": 2,
    "data": {"use": "synthetic", "users": 12, "items": 120, "interactions": 30},
    "environment": {"use": "ranking", "choices": 4},
    "agent": {"use": "star", "gate": {"when": "always"}},
    "policies": {"fast": "lexical", "slow": "lexical"},
}


@dataclass
class Said:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

    @property
    def answer(self):
        """Return the one JSON object on stdout."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


@pytest.fixture
def starec(starec, monkeypatch):
    """Run the command line in this process, without plots, which take long."""

    def plot(report, title, path):
        path.write_bytes(b"a picture")
        return True

    monkeypatch.setattr("starec_sim.plot.plot_report", plot)

    def said(*arguments, width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        return Said(*starec(*arguments))

    return said


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, a new folder with two experiments."""
    monkeypatch.chdir(tmp_path)
    for values in (FEED, RANKING):
        (tmp_path / f"{values['name']}.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Finished runs, made once: a feed with two arms, and a ranking. Tests must not change them."""
    from starec_sim import runner
    from starec_sim.cli.run_progress import RunProgress
    from starec_sim.experiment import Experiment

    place = tmp_path_factory.mktemp("finished")
    arms = {"loop": {}, "random": {"environment.recommender": "random"}}
    feed = Experiment.model_validate({**FEED, "arms": arms, "runs_dir": place})
    ranking = Experiment.model_validate({**RANKING, "runs_dir": place})
    return {e.name: runner.run(e, RunProgress()).folder for e in (feed, ranking)}
