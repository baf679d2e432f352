"""A coffee shop: guests order cups within a budget, praise what they drank, and stock runs out."""

from starec_sim import (
    ActionKind,
    Amount,
    Experience,
    Feedback,
    FreeText,
    Item,
    Settings,
    Task,
    User,
    World,
)

DRINKS = {"Espresso": ("hot", 2.5), "Cocoa": ("hot", 3.5), "Iced tea": ("cold", 3.0)}


class CoffeeShop(World):
    class Config(Settings):
        guests: int = 12
        budget: float = 9.0
        """What a guest can spend at a visit."""
        cups: int = 40
        """Cups of each drink in the morning of the first round."""

    task = Task(
        "coffee_shop",
        scene="You are at the counter of a coffee shop.",
        actions=(
            ActionKind("order", Amount(1, 3, unit="cups"), past="ordered", meaning="you pay each"),
            ActionKind("praise", FreeText(80), past="praised", at_most=1),
        ),
        per_item=2,
    )
    own_metrics = ("revenue", "cups left")

    def set_up(self):
        self.users = [User(f"guest-{n}") for n in range(self.config.guests)]
        self.items = [
            Item(name.lower(), name, {"kind": (kind,)}, {"price": price})
            for name, (kind, price) in DRINKS.items()
        ]
        self.kept = {"cups": [self.config.cups] * len(self.items)}

    def offer(self, user, steps):
        return [item for item, cups in enumerate(self.kept["cups"]) if cups > 0]

    def visitors(self, round):
        return range(len(self.users)) if any(self.kept["cups"]) else ()

    def context(self, user, steps):
        return f"budget: {self.config.budget:.2f}"

    def orders(self, decision):
        """Return item, cups and cost of what a guest orders, as far as her budget goes."""
        orders, left = [], self.config.budget
        for action in decision.actions:
            if action.kind == "order":
                cost = action.value * self.items[action.item].numbers["price"]
                if cost <= left:
                    orders.append((action.item, action.value, cost))
                    left -= cost
        return orders

    def react(self, user, steps, shown, decision):
        hot = user % 2 == 0  # what she really likes, which no prompt says
        lived, bill = [], 0.0
        for item, cups, cost in self.orders(decision):
            liked = (self.items[item].attributes["kind"] == ("hot",)) == hot
            said = self.task.told("order", cups)
            lived.append(Experience(item, None, "world", action=said, like=liked))
            bill += cost
        return Feedback(tuple(lived), reward={"bill": bill}, ending="done")

    def after_round(self, visits):
        revenue = 0.0
        for visit in visits:
            for step in visit.steps:
                for item, cups, cost in self.orders(step.decision):
                    sold = min(int(cups), self.kept["cups"][item])
                    self.kept["cups"][item] -= sold
                    revenue += cost * sold / cups
        return {"revenue": revenue, "cups left": float(sum(self.kept["cups"]))}
