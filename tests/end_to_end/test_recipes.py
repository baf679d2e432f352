"""Worlds of the cookbook that change: the same digest, however the visits are played."""

import sys
from pathlib import Path

import pytest

from starec_sim import experiment, runner
from tests.end_to_end.test_blocks import blocks_of, forget_modules

COOKBOOK = Path(__file__).parents[2] / "docs" / "cookbook.md"
CHANGING = ("Expire", "Stock", "Prices", "Join", "Counts", "Reviews", "Followed")
IN_ONE_PROCESS = ("concurrency=1", "concurrency=32", "executor=cohort")


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """The folder of the files that a reader of the cookbook writes."""
    folder = tmp_path_factory.mktemp("cookbook")
    for block in blocks_of(COOKBOOK.read_text(), "cookbook.md"):
        if written := block.file_after(folder):
            name, text = written
            (folder / name).write_text(text)
    before = sys.path.copy()
    yield folder
    sys.path[:] = before
    forget_modules(folder)


@pytest.fixture
def digest(recipes, quiet, tmp_path, monkeypatch):
    monkeypatch.chdir(recipes)

    def digest(world, *settings):
        path = f"environment.use={world.lower()}.py:{world}"
        changes = [path, "rounds=3", "environment.readers=6", f"runs_dir={tmp_path}", *settings]
        return runner.run(experiment.read_experiment(recipes / "kiosk.yaml", changes), quiet).digest

    return digest


@pytest.mark.parametrize("world", CHANGING)
def test_a_world_that_changes_does_not_depend_on_who_was_played_first(digest, world):
    assert len({digest(world, how) for how in IN_ONE_PROCESS}) == 1


@pytest.mark.slow
def test_worlds_that_change_are_the_same_in_processes(digest):
    followed = "arms={expire: {}, followed: {environment.use: followed.py:Followed}}"
    processes = digest("Expire", followed, "executor={use: processes, workers: 2}")
    assert processes == digest("Expire", followed, "concurrency=1")
