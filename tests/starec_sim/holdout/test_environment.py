"""The environment that plays a hold-out is found by its entry point, not by its name."""

import pytest

from starec_sim import plugins
from starec_sim.errors import ContractError, PluginError
from starec_sim.holdout import HoldOutSettings, environment_name


@pytest.fixture
def register(monkeypatch):
    """Register exactly these environments for hold-outs."""

    def register(*names):
        monkeypatch.setattr(plugins, "registered", lambda kind: dict.fromkeys(names, ()))

    return register


def test_the_environment_that_ships_is_found_and_takes_the_settings_of_a_hold_out():
    name = environment_name()
    assert issubclass(plugins.load("environments", name).Config, HoldOutSettings)


@pytest.mark.parametrize(
    ("names", "message"), [((), "not 0"), (("mine", "other"), "not 2: mine, other")]
)
def test_none_and_two_are_refused(register, names, message):
    register(*names)
    with pytest.raises(PluginError, match=message):
        environment_name()


def test_one_with_other_settings_is_refused(register, monkeypatch):
    register("mine")
    mine = type("Mine", (), {"Config": object})
    monkeypatch.setattr(plugins, "load", lambda kind, name: mine)
    with pytest.raises(ContractError, match=r"no subclass of .*HoldOutSettings"):
        environment_name()
