"""One run never mixes two worlds or two sets of prompts."""

import shutil
from pathlib import Path

import pytest

import starec_agents.star
from starec_sim import experiment, runner
from starec_sim.errors import RunError
from starec_sim.runs.reader import Reader

pytestmark = pytest.mark.slow

PROMPTS = Path(starec_agents.star.__file__).parent / "prompts"


class StoppedError(Exception):
    """What ends a run early in these tests."""


@pytest.fixture
def stop_after(quiet):
    """Events that end the run after a round."""

    def make(round):
        def round_finished(ended, figures):
            if ended == round:
                raise StoppedError

        quiet.round_finished = round_finished
        return quiet

    return make


def interrupted(path, events):
    with pytest.raises(StoppedError):
        runner.run(experiment.read_experiment(path), events)
    (folder,) = (path.parent / "runs").iterdir()
    events.round_finished = lambda ended, figures: None
    return folder


def test_other_prompts(write_experiment, tmp_path, stop_after):
    prompts = tmp_path / "prompts"
    shutil.copytree(PROMPTS, prompts)
    quiet = stop_after(1)
    path = write_experiment(agent={"use": "star", "prompts": str(prompts)})
    folder = interrupted(path, quiet)
    feed, text = prompts / "feed.md", (prompts / "feed.md").read_text()
    assert "people leave" in text
    feed.write_text(text.replace("people leave", "nobody leaves"))
    with pytest.raises(RunError, match="the prompts changed"):
        runner.resume(folder, quiet)
    feed.write_text(text)
    assert runner.resume(folder, quiet).digest


def test_other_data(write_experiment, tmp_path, stop_after):
    table = tmp_path / "ratings.csv"
    rows = [
        f"u{user},i{(user * 7 + n * 3) % 60},{1 + (user + n) % 5},{n}"
        for user in range(20)
        for n in range(15)
    ]
    table.write_text("\n".join(["user,item,rating,time", *rows]) + "\n")
    data = {"use": "csv", "path": str(tmp_path), "interactions": "ratings.csv"}
    quiet = stop_after(1)
    path = write_experiment(data=data)
    folder = interrupted(path, quiet)
    whole = table.read_text()
    table.write_text(whole.replace("u3,i21,4,0", "u3,i21,1,0"))
    assert table.read_text() != whole
    with pytest.raises(RunError, match="is not the one the run began with"):
        runner.resume(folder, quiet)
    table.write_text(whole)
    assert runner.resume(folder, quiet).digest


def test_a_run_resumes_from_any_folder(write_experiment, tmp_path, stop_after, monkeypatch):
    quiet, other = stop_after(0), tmp_path / "elsewhere"
    other.mkdir()
    shutil.copytree(PROMPTS, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    path = write_experiment(agent={"use": "star", "prompts": "mine"})
    folder = interrupted(path, quiet)
    monkeypatch.chdir(other)
    assert runner.resume(folder, quiet).digest
    assert Path.cwd() == other


def test_thoughts_that_cannot_be_read_are_counted(write_experiment, quiet):
    refusing = f"{Path(__file__).parent / 'counting_policy.py'}:RefusingPolicy"
    path = write_experiment(rounds=2, policies={"fast": "lexical", "slow": refusing})
    result = runner.run(experiment.read_experiment(path), quiet)
    figures = result.report.metrics["main"]
    assert figures["slow"].interval.mean > 0
    assert figures["slow_malformed"].interval.mean == 1.0
    assert figures["malformed"].interval.mean == 0.0
    reader = Reader(result.folder)
    (errors,) = reader.db.execute(
        "SELECT COUNT(*) FROM turns WHERE node = 'slow' AND error = ''"
    ).fetchone()
    reader.close()
    assert errors == 0
