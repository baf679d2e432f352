"""Worlds that newcomers copy sell what they have: guests of a round see the same stock."""

import sys
from pathlib import Path

import pytest

from starec_sim.new_plugin import write_new_plugin
from starec_sim.plugin_files import import_file
from starec_sim.rng import Streams
from starec_sim.types import Action, Decision
from tests.rounds import play_visit

COFFEE_SHOP = Path(__file__).parents[2] / "docs" / "examples" / "coffee_shop.py"


def round_in_which_all(world, kind, item, pieces):
    """Play a round in which every visitor wants the same, and return rewards and figures."""

    def decide(user, round, shown):
        return Decision(actions=(Action(item, kind, pieces),))

    visits = [play_visit(world, user, 0, decide) for user in world.begin_round(0)]
    return [visit.steps[0].feedback.reward for visit in visits], world.end_round(visits)


def test_the_coffee_shop_earns_nothing_with_cups_that_it_does_not_have():
    shop_class = import_file(COFFEE_SHOP).CoffeeShop
    shop = shop_class(shop_class.Config(guests=8, cups=5), None, Streams(0))
    rewards, figures = round_in_which_all(shop, "order", 0, 3.0)
    assert rewards == [{"bill": 7.5}] * 8  # within a round nobody knows what others order
    assert figures == {"revenue": 5 * 2.5, "cups left": 10.0}
    assert shop.kept["cups"] == [0, 5, 5]


@pytest.mark.parametrize(("cups", "cost"), [(3.0, 7.5), (2.0, 5.0)])
def test_with_enough_cups_revenue_is_the_sum_of_bills(cups, cost):
    shop_class = import_file(COFFEE_SHOP).CoffeeShop
    shop = shop_class(shop_class.Config(guests=8), None, Streams(0))
    rewards, figures = round_in_which_all(shop, "order", 0, cups)
    assert rewards == [{"bill": cost}] * 8
    assert figures["revenue"] == 8 * cost


def test_a_new_environment_sells_no_more_than_its_stock(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    write_new_plugin("environment", "stock-room", tmp_path)
    room_class = import_file(tmp_path / "stock_room.py").StockRoom
    room = room_class(room_class.Config(stock=5), None, Streams(0))
    room.begin_round(0)
    item = next(n for n in range(9) if sum(n in room.observe(u, ()).slate for u in range(12)) > 2)
    wanting = [user for user in range(12) if item in room.observe(user, ()).slate]
    visits = [
        play_visit(room, user, 0, lambda *_: Decision(actions=(Action(item, "take", 3.0),)))
        for user in wanting
    ]
    figures = room.end_round(visits)
    assert figures == {"sales": 5.0, "stock": 40.0}
