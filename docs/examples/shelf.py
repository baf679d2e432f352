"""The smallest environment: a shelf of six books, and readers who like only one genre each."""

import numpy as np

from starec_sim import FEED, Experience, Feedback, Item, Observation, Settings, User, card

GENRES = ("Crime", "Poetry", "Travel")


class Shelf:
    class Config(Settings):
        shown: int = 3
        """Books on the table at a visit."""

    def __init__(self, config, dataset, streams):
        self.config, self.streams = config, streams
        self.users = [User(f"reader-{n}") for n in range(12)]
        self.items = [Item(str(n), f"Book {n}", {"genre": (GENRES[n % 3],)}) for n in range(6)]
        self.cards = [card(item) for item in self.items]
        self.popularity = np.ones(len(self.items))

    def describe(self):
        return {"users": len(self.users), "items": len(self.items)}

    def history(self, user):
        return ()  # nobody has read anything yet

    def begin_round(self, round):
        self.round = round
        return range(len(self.users))

    def observe(self, user, steps):
        rng = self.streams.stream("shelf", user=user, round=self.round)
        shown = rng.choice(len(self.items), self.config.shown, replace=False).tolist()
        return Observation(FEED, tuple(shown), tuple(self.cards[item] for item in shown))

    def respond(self, user, steps, observation, decision):
        lived = tuple(
            Experience(action.item, 5.0 if action.item % 3 == user % 3 else 2.0, "world")
            for action in decision.actions
            if action.done
        )
        return Feedback(lived, ending="left")

    def end_round(self, visits):
        return {}  # the shelf never changes

    def state(self):
        return {}

    def restore(self, state):
        pass
