"""How environments are built so that they can be compared with a fresh copy."""

import warnings
from pathlib import Path

import pytest

from starec_sim.boundary import build
from starec_sim.errors import ContractWarning
from starec_sim.plugins import configure
from starec_sim.rng import Streams

SOUND = Path(__file__).parents[2] / "broken_plugins" / "environments.py"


def built():
    plugin = configure("environments", {"use": f"{SOUND}:Sound"}, "environment")
    return plugin.build(None, Streams(1))


def test_an_environment_that_is_too_slow_to_be_copied_is_warned_about(monkeypatch):
    monkeypatch.setattr(build, "_COPIED_UP_TO_S", -1.0)
    with pytest.warns(
        ContractWarning, match=r"environments\.py:Sound: it took 0 s to build, so no"
    ):
        built()


def test_an_environment_that_is_built_quickly_brings_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built()
