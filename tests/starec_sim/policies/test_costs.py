import pytest

from starec_sim.errors import PluginError
from starec_sim.policies.abilities import costs_nothing


class Free:
    costs_nothing = True


class Priced:
    costs_nothing = False


@pytest.mark.parametrize("name", ["lexical", "reasoner", "local", "nano", f"{__name__}:Free"])
def test_a_policy_that_runs_here_costs_nothing(name):
    assert costs_nothing({"use": name}, "policies.fast")


@pytest.mark.parametrize("name", ["openai", f"{__name__}:Priced", "builtins:object"])
def test_any_other_may_cost_something(name):
    assert not costs_nothing({"use": name}, "policies.fast")


def test_a_policy_that_is_not_there_is_an_error():
    with pytest.raises(PluginError, match=r"policies\.fast\.use"):
        costs_nothing({"use": "nothing"}, "policies.fast")
