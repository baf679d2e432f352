"""A shop: prices, a budget, stock, bundles, and returns that arrive in a later round.

Some products are poor: they disappoint everybody, which no card says. Who is disappointed sends
the product back after some rounds, and is paid back. So a product can sell well and earn little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_environments.worlds.recommended import RecommendedWorld
from starec_sim.tasks import ActionKind, Amount, Task
from starec_sim.types import Decision, Experience, Feedback, Item, Observation, Step, User, Visit

KINDS = {
    "kitchen": ("teapot", "pan", "knife", "bowl"),
    "garden": ("spade", "planter", "bench", "lantern"),
    "games": ("chess set", "puzzle", "dice tower", "card box"),
    "travel": ("suitcase", "flask", "umbrella", "lamp"),
    "sport": ("skipping rope", "kettlebell", "yoga block", "paddle"),
    "music": ("flute", "drum", "stand", "metronome"),
}
MATERIALS = ("wood", "steel", "glass", "cotton")
OWNED = 4
"""Products that each user bought before the first round, of kinds that she likes."""
NEVER = -1000
"""The round of the last order of something that was never ordered."""


class Order(NamedTuple):
    """What one user buys at one place of a page."""

    item: int
    pieces: int
    cost: float


class Shop(RecommendedWorld):
    """A shop with prices, budgets, stock, bundles, and returns that arrive in a later round."""

    class Config(RecommendedWorld.Config):
        """Settings of the shop."""

        users: int = Field(default=40, ge=1, le=100_000)
        """Customers; all of them visit in every round."""
        products: int = Field(default=48, ge=12, le=10_000)
        """Products of six kinds."""
        bundles: int = Field(default=6, ge=0, le=1000)
        """Pairs of products of one kind, sold together for less."""
        discount: float = Field(default=0.2, ge=0, lt=1)
        """By how much a bundle is cheaper than its two products."""
        budget: float = Field(default=60.0, gt=0)
        """What a user can spend at a visit, besides what she was paid back."""
        stock: int = Field(default=20, ge=1)
        """Pieces of each product at the start, and the most that the store holds."""
        supply: int = Field(default=5, ge=0)
        """Pieces of each product that arrive after a round, up to `stock`."""
        page_size: int = Field(default=6, ge=1, le=100)
        """Items on a page."""
        pages: int = Field(default=2, ge=1, le=100)
        """Pages that a visit may have."""
        rest: int = Field(default=4, ge=0)
        """Rounds for which what a user ordered is not shown to her again."""
        poor: float = Field(default=0.25, ge=0, le=1)
        """Share of the products that disappoint everybody."""
        sent_back: float = Field(default=0.9, ge=0, le=1)
        """Probability that a user returns what disappoints her."""
        return_after: int = Field(default=2, ge=1)
        """Rounds until it is known whether an order is kept, and a return arrives."""
        learn_from: Literal["orders", "kept"] = "orders"
        """What the recommender learns from: every order at once, or orders when they are kept, and
        returns as dislikes."""

    task = Task(
        "shop",
        scene="You are in an online shop, and can spend the money that you have left.",
        actions=(
            ActionKind("buy", Amount(1, 2, unit="pieces"), past="bought", meaning="you pay each"),
        ),
    )
    own_metrics = ("revenue", "refunds", "net_revenue", "sold_out")
    reward_names = ("spent",)

    def set_up(self) -> None:
        """Make products, bundles and customers, and what each customer owns."""
        config = self.config
        self.users = [User(f"customer-{n + 1}") for n in range(config.users)]
        rng = self.streams.stream("products")
        kinds = list(KINDS)
        self.items = [_product(n, kinds[n % len(kinds)], rng) for n in range(config.products)]
        poor = rng.random(config.products) < config.poor
        self.parts: list[tuple[int, ...]] = [(n,) for n in range(config.products)]
        """The products of each item: itself, or the two of a bundle."""
        for n in range(config.bundles):
            first = int(rng.integers(config.products - len(kinds)))
            self._add_bundle(n, first, first + len(kinds))
        self.price = np.array([item.numbers["price"] for item in self.items])
        self._choose_tastes(poor)
        self.kept = {
            "stock": np.full(config.products, config.stock),
            "ordered": np.full((config.users, len(self.items)), NEVER),
            "refund": np.zeros(config.users),
            # Orders of which it is not known yet whether they are kept: the round in which it is,
            # user, item, pieces, and what is paid back.
            "open": np.zeros((0, 5)),
        }
        self.start_recommender()
        self.log(
            [
                (user, item, self._stars(user, item))
                for user, owned in enumerate(self._owned)
                for item in owned
            ]
        )

    def _add_bundle(self, number: int, one: int, two: int) -> None:
        a, b = self.items[one], self.items[two]
        price = round((a.numbers["price"] + b.numbers["price"]) * (1 - self.config.discount), 2)
        title = f"Bundle {number + 1}: {a.title} and {b.title}"
        bundle = Item(f"bundle-{number + 1}", title, a.attributes, {"price": price})
        self.items = [*self.items, bundle]
        self.parts.append((one, two))

    def _choose_tastes(self, poor: NDArray[np.bool_]) -> None:
        """Give each user two kinds that she likes, and products of them that she bought before."""
        products = self.config.products
        of_kind = np.array([item.attributes["kind"][0] for item in self.items])
        good = np.array([not any(poor[part] for part in parts) for parts in self.parts])
        self.likes = np.zeros((len(self.users), len(self.items)), np.bool_)
        """Which items each user likes: those of her kinds that are not poor."""
        self._owned: list[list[int]] = []
        for user in range(len(self.users)):
            rng = self.streams.stream("taste", user=user)
            hers = np.isin(of_kind, rng.choice(list(KINDS), 2, replace=False))
            self.likes[user] = hers & good
            self._owned.append(rng.permutation(np.flatnonzero(hers[:products]))[:OWNED].tolist())

    def _stars(self, user: int, item: int) -> float:
        """Return what the log says of something that she bought before the first round."""
        return 5.0 if self.likes[user, item] or self.config.learn_from == "orders" else 1.0

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what she bought before."""
        return tuple(self._lived(user, item, 1) for item in self._owned[user])

    def _lived(self, user: int, item: int, pieces: int) -> Experience:
        """Return how something that she bought turned out."""
        bought, like = self.task.told("buy", float(pieces)), bool(self.likes[user, item])
        return Experience(item, None, "world", action=bought, like=like)

    def available(self) -> NDArray[np.int64]:
        """Return the pieces of each item that are there: of a bundle, those of its scarcer part."""
        stock = self.kept["stock"]
        return np.array([min(stock[part] for part in parts) for parts in self.parts])

    def hidden(self) -> NDArray[np.bool_]:
        """Hide what is sold out, and what a user ordered lately."""
        lately = self.round - self.kept["ordered"] <= self.config.rest
        return np.asarray(lately | (self.available() <= 0))

    def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
        """Show the next page of the recommender's ranking."""
        start = len(steps) * self.config.page_size
        return self.ranked[user][start : start + self.config.page_size]

    def context(self, user: int, steps: Sequence[Step]) -> str:
        """Tell her what money she has left."""
        return f"money left: {self._money(user, steps):.2f}"

    def _money(self, user: int, steps: Sequence[Step]) -> float:
        spent = sum(step.feedback.reward["spent"] for step in steps)
        return float(self.config.budget + self.kept["refund"][user] - spent)

    def _orders(self, money: float, decision: Decision) -> list[Order]:
        """Return what she buys, in shown order, as far as her money goes."""
        orders = []
        for action in decision.actions:
            if action.kind == "buy" and isinstance(action.value, float):
                cost = round(action.value * float(self.price[action.item]), 2)
                if cost <= money:
                    money -= cost
                    orders.append(Order(action.item, int(action.value), cost))
        return orders

    def react(
        self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
    ) -> Feedback:
        """Sell what she can pay for. She likes it, or is disappointed."""
        orders = self._orders(self._money(user, steps), decision)
        lived = tuple(self._lived(user, order.item, order.pieces) for order in orders)
        pages = len(steps) + 1
        all_shown = pages * self.config.page_size >= len(self.ranked[user])
        last = pages == self.config.pages or all_shown
        ending = "left" if decision.leave else "pages" if last else ""
        return Feedback(lived, reward={"spent": sum(each.cost for each in orders)}, ending=ending)

    def after_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Deliver the orders, take returns back, and fill the stock up."""
        orders = []
        for visit in visits:
            for number, step in enumerate(visit.steps):
                money = self._money(visit.user, visit.steps[:number])
                orders += [(visit.user, each) for each in self._orders(money, step.decision)]
        for visit in visits:
            self.kept["refund"][visit.user] = 0.0  # it was hers to spend in this visit
        self._deliver(orders)
        revenue, refunds = sum(order.cost for _, order in orders), self._close()
        stock = self.kept["stock"]
        stock += np.clip(self.config.stock - stock, 0, self.config.supply)
        return {
            "revenue": revenue,
            "refunds": refunds,
            "net_revenue": revenue - refunds,
            "sold_out": float((stock <= 0).mean()),
        }

    def _deliver(self, orders: Sequence[tuple[int, Order]]) -> None:
        """Take the orders of all users from the stock, and note which will come back.

        All users of a round see one stock, so it can fall below zero: what is missing is delivered
        from the next supply.
        """
        kept = self.kept
        due = self.round + self.config.return_after
        opened = []
        for user, (item, pieces, cost) in orders:
            for part in self.parts[item]:
                kept["stock"][part] -= pieces
            kept["ordered"][user, item] = self.round
            rng = self.streams.stream("send back", user=user, round=self.round, call=item)
            comes_back = not self.likes[user, item] and rng.random() < self.config.sent_back
            opened.append((due, user, item, pieces, cost if comes_back else 0.0))
        kept["open"] = np.concatenate([kept["open"], np.reshape(opened, (-1, 5))])
        if self.config.learn_from == "orders":
            self.log([(user, order.item, 5.0) for user, order in orders])

    def _close(self) -> float:
        """Close the orders that are due, and return what is paid back."""
        is_due = self.kept["open"][:, 0] <= self.round
        due, self.kept["open"] = self.kept["open"][is_due], self.kept["open"][~is_due]
        known = []
        for _, user, item, pieces, refund in due.tolist():
            if refund:
                self.kept["refund"][int(user)] += refund
                for part in self.parts[int(item)]:
                    self.kept["stock"][part] += int(pieces)
            known.append((int(user), int(item), 1.0 if refund else 5.0))
        if self.config.learn_from == "kept":
            self.log(known)
        return float(due[:, 4].sum())


def _product(number: int, kind: str, rng: np.random.Generator) -> Item:
    """Return product `number` of the catalogue."""
    nouns = KINDS[kind]
    material = MATERIALS[int(rng.integers(len(MATERIALS)))]
    noun = nouns[number // len(KINDS) % len(nouns)]
    series = number // (len(KINDS) * len(nouns)) + 1
    price = round(float(rng.uniform(4, 40)), 2)
    return Item(
        f"product-{number + 1}",
        f"{material.capitalize()} {noun} {series}",
        {"kind": (kind,), "material": (material,)},
        {"price": price},
    )
