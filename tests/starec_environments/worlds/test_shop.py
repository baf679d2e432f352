"""The shop: money, stock and returns add up."""

import numpy as np
import pytest

from starec_environments.worlds.shop import Shop
from tests.starec_environments.worlds.playing import build, do, lived, play

BUY = do("buy", 1.0)
SMALL = {"users": 10, "products": 24, "bundles": 4}


def pieces(shop, visits):
    """Count the pieces of each product that were bought."""
    bought = np.zeros(24, int)
    for _, each in lived(visits):
        for part in shop.plugin.parts[each.item]:
            bought[part] += int(each.action.split()[-1])
    return bought


def test_nobody_spends_more_than_her_money():
    shop = build(Shop, budget=50.0, sent_back=0.0, **SMALL)
    for visits, _ in play(shop, do("buy", 2.0), 3):
        spent = [sum(step.feedback.reward["spent"] for step in visit.steps) for visit in visits]
        assert 0 < max(spent) <= 50.0
    visit = visits[0]
    left = 50.0 - visit.steps[0].feedback.reward["spent"]
    assert visit.steps[1].observation.context == f"money left: {left:.2f}"


def test_without_disappointments_nothing_comes_back():
    shop = build(Shop, poor=0.0, rest=0, **SMALL)
    liked = do("buy", 1.0, where=lambda user, item: shop.plugin.likes[user, item])
    assert all(figures["refunds"] == 0 for _, figures in play(shop, liked, 5))


def test_what_disappoints_is_paid_back_after_so_many_rounds():
    shop = build(Shop, sent_back=1.0, return_after=2, **SMALL)
    played = play(shop, BUY, 6)
    revenues = [figures["revenue"] for _, figures in played]
    refunds = [figures["refunds"] for _, figures in played]
    assert refunds[:2] == [0.0, 0.0]
    price = shop.plugin.price
    for (visits, _), refund in zip(played[:4], refunds[2:], strict=True):
        disappointing = [price[each.item] for _, each in lived(visits) if not each.like]
        assert refund == pytest.approx(sum(disappointing)) and refund > 0
    net = [figures["net_revenue"] for _, figures in played]
    assert net == pytest.approx(np.subtract(revenues, refunds))


def test_a_refund_can_be_spent_at_the_next_visit_only():
    shop = build(Shop, sent_back=1.0, return_after=1, budget=80.0, **SMALL)
    play(shop, BUY, 1)
    play(shop, do("skip"), 1, start=1)
    refund = shop.plugin.kept["refund"].copy()
    assert refund.max() > 0
    (visits, _), *_ = play(shop, do("skip"), 1, start=2)
    for visit in visits:
        money = f"money left: {80 + refund[visit.user]:.2f}"
        assert visit.steps[0].observation.context == money
    (visits, _), *_ = play(shop, do("skip"), 1, start=3)
    assert {visit.steps[0].observation.context for visit in visits} == {"money left: 80.00"}


def test_no_piece_is_lost():
    shop = build(Shop, sent_back=1.0, return_after=1, supply=0, stock=30, **SMALL)
    played = play(shop, BUY, 4)
    sold = sum(pieces(shop, visits) for visits, _ in played)
    back = np.zeros(24, int)
    for visits, _ in played[:-1]:  # what was bought in the last round has not come back yet
        for _, each in lived(visits):
            if not each.like:
                for part in shop.plugin.parts[each.item]:
                    back[part] += 1
    assert (shop.plugin.kept["stock"] == 30 - sold + back).all()


def test_what_is_sold_out_is_not_shown_nor_is_a_bundle_of_it():
    shop = build(Shop, supply=0, stock=1, rest=0, **SMALL)
    play(shop, BUY, 1)
    available = shop.plugin.available()
    assert (available <= 0).any()
    (visits, _), *_ = play(shop, do("skip"), 1, start=1)
    shown = {item for visit in visits for step in visit.steps for item in step.observation.slate}
    assert shown and all(available[item] > 0 for item in shown)
    for item, parts in enumerate(shop.plugin.parts):
        assert available[item] == min(shop.plugin.kept["stock"][part] for part in parts)


def test_a_bundle_is_cheaper_than_its_products():
    shop = build(Shop, discount=0.25, **SMALL).plugin
    bundles = [item for item, parts in enumerate(shop.parts) if len(parts) == 2]
    assert len(bundles) == 4
    for bundle in bundles:
        assert shop.price[bundle] == pytest.approx(
            0.75 * shop.price[list(shop.parts[bundle])].sum(), abs=0.006
        )


@pytest.mark.parametrize(("learn_from", "stars"), [("orders", {5.0}), ("kept", {1.0, 5.0})])
def test_the_recommender_learns_of_returns_where_it_is_told(learn_from, stars):
    shop = build(Shop, learn_from=learn_from, sent_back=1.0, return_after=1, **SMALL)
    before = len(shop.plugin.kept["log"])
    visits = [visits for visits, _ in play(shop, BUY, 2)]
    new = shop.plugin.kept["log"][before:]
    assert set(new[:, 2]) == stars
    known = visits if learn_from == "orders" else visits[:1]  # the others are not decided yet
    bought = [(user, each.item) for one in known for user, each in lived(one)]
    assert [tuple(row) for row in new[:, :2].astype(int).tolist()] == bought
