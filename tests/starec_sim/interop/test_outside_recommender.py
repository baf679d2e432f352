"""The recommender and the agent of a feed that is driven from outside keep their contracts."""

import pytest

from starec_sim.checks.kinds import checks_of, result_of
from starec_sim.checks.target import CheckTarget
from starec_sim.interop.outside_recommender import OutsideRecommender
from starec_sim.interop.quick_agent import QuickAgent

TARGETS = {
    "recommender": CheckTarget(
        "recommender",
        lambda n_users, n_items, seed: OutsideRecommender(
            OutsideRecommender.Config(), n_users=n_users, n_items=n_items, seed=seed
        ),
        None,
    ),
    "agent": CheckTarget("agent", lambda: QuickAgent(QuickAgent.Config()), None),
}
CHECKS = [
    (kind, check)
    for kind in TARGETS
    for check in checks_of(kind)
    if check.name != "the same in another process"  # it would import everything anew
]


@pytest.mark.parametrize(("kind", "check"), CHECKS, ids=lambda each: getattr(each, "name", each))
def test_it_keeps_the_contract(kind, check):
    found = result_of(check, TARGETS[kind])
    assert found.state == "passed", found.note
