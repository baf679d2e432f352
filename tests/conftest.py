"""Fixtures for all tests."""

import gc
import os
import sys

import pytest
from hypothesis import settings
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from starec_sim import plot as run_plot
from starec_sim.cli import main
from starec_sim.evaluation import plot as evaluation_plot
from starec_sim.learning import plots as training_plots

PLOTS = (run_plot, evaluation_plot, training_plots)

# How long an example takes says something about the machine, not about the code.
settings.register_profile("random", deadline=None, max_examples=50)
# The same examples every time: what passes here passes for everybody. Others are tried by
# `pytest --hypothesis-profile random`.
settings.register_profile("same", settings.get_profile("random"), derandomize=True)
settings.load_profile("same")

# Hardly anything becomes garbage while packages are imported and tests are collected: to look for
# it takes a sixth of that time.
gc.disable()


def pytest_collection_finish():
    """Let the garbage collector skip the imported packages: to search them takes half a second.

    A run freezes what there is at its start, and unfreezes it at its end; here it stays frozen.
    Between tests there is little garbage in cycles, so the collector runs more rarely than usual.
    """
    gc.collect()
    gc.freeze()
    gc.unfreeze = lambda: None
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def blank_pictures(request, monkeypatch):
    """Save a blank picture in place of each plot, but for tests that are marked `pictures`.

    Every run ends with a plot, and to draw it takes longer than to play a small run.
    """

    def draw(*data):
        return Figure(figsize=(1, 1))

    def savefig(figure, path, **options):
        FigureCanvasAgg(figure).print_png(path)

    if request.node.get_closest_marker("pictures") is None:
        monkeypatch.setattr(Figure, "savefig", savefig)
        for module in PLOTS:
            monkeypatch.setattr(module, "_draw", draw)


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory):
    """Keep what the program keeps for a user in a folder of the tests, for child processes too."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


@pytest.fixture
def starec(monkeypatch, capsys):
    """Run the command line in this process; return its status, stdout and stderr."""

    def starec(*arguments):
        monkeypatch.setattr(sys, "argv", ["starec", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    return starec
