"""Fixtures for all tests."""

import sys

import pytest
from hypothesis import settings

from starec_sim.cli import main

# How long an example takes says something about the machine, not about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


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
