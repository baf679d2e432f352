"""Which global random generators were drawn from."""

import random

import numpy as np
import torch

from starec_sim.boundary.global_random import changed_generators, global_random, moved_to


def test_each_generator_that_was_drawn_from_is_named():
    before = global_random()
    assert changed_generators(before) == []
    random.random()
    np.random.rand()
    torch.rand(1)
    assert changed_generators(before) == ["random", "numpy.random", "torch"]


def test_importing_torch_is_no_draw():
    before_the_import = global_random()._replace(torch=None)
    assert changed_generators(before_the_import) == []


def test_a_server_that_forbids_asking_for_the_folder_stops_no_visit(monkeypatch):
    def forbidden():
        raise RuntimeError("Blocking call to os.getcwd")

    with monkeypatch.context() as patch:
        patch.setattr("os.getcwd", forbidden)
        before = global_random()
        folder, moved = before.folder, moved_to(before)
    assert (folder, moved) == ("", "")
