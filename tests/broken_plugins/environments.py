"""A sound environment, and one class for each fault, which differs from it in one place."""

import random
import time
from dataclasses import replace
from typing import ClassVar

import numpy as np

from starec_sim import Experience, Feedback, Item, Observation, Settings, User, card
from starec_sim.tasks import FEED, RANKING, ActionKind, Amount, FreeText, Task
from starec_sim.world import World

GUESTS, DRINKS, PAGES = 4, 9, 2
SLOW_S = 0.1


class Sound:
    """A bar: four guests see two pages of drinks, whose ratings fall as they are sold."""

    class Config(Settings):
        shown: int = 3

    def __init__(self, config, dataset, streams):
        self.config, self.streams = config, streams
        self.users = [User(f"u{n}") for n in range(GUESTS)]
        self.items = [Item(f"i{n}", f"Drink {n}", {"kind": (f"k{n % 2}",)}) for n in range(DRINKS)]
        self.cards = [card(item) for item in self.items]
        self.popularity = np.ones(DRINKS)
        self.sold = np.zeros(DRINKS)

    def describe(self):
        return {"guests": GUESTS}

    def history(self, user):
        return (Experience(user, 4.0, "world"),)

    def begin_round(self, round):
        self.round = round
        return range(GUESTS)

    def stream(self, user, call):
        return self.streams.stream("bar", user=user, round=self.round, call=call)

    def slate(self, user, page):
        drinks = self.stream(user, page).choice(DRINKS, self.config.shown, replace=False)
        return tuple(drinks.tolist())

    def card(self, user, item):
        return f"{self.cards[item]} (sold: {int(self.sold[item])})"

    def observe(self, user, steps):
        slate = self.slate(user, len(steps) + 1)
        cards = tuple(self.card(user, item) for item in slate)
        return Observation(FEED, slate, cards, page=len(steps) + 1)

    def rating(self, user, item):
        return max(1.0, 4.5 - 0.25 * (item % 3) - 0.5 * self.sold[item])

    def respond(self, user, steps, observation, decision):
        drunk = [action.item for action in decision.actions if action.done]
        lived = tuple(Experience(item, self.rating(user, item), "world") for item in drunk)
        last = decision.leave or len(steps) + 1 == PAGES
        reward = {"sales": float(len(lived))}
        return Feedback(lived, reward=reward, ending="done" if last else "")

    def end_round(self, visits):
        for visit in visits:
            for step in visit.steps:
                for experience in step.feedback.experiences:
                    self.sold[experience.item] += 1
        return {"sold": float(self.sold.sum())}

    def state(self):
        return {"sold": self.sold.copy()}

    def restore(self, state):
        self.sold = np.array(state["sold"])


class ObserveReturnsNone(Sound):
    def observe(self, user, steps):
        return None


class ItemOutsideOfTheCatalogue(Sound):
    def slate(self, user, page):
        return (0, 1, DRINKS)

    def card(self, user, item):
        return "a drink"


class RatingOutsideOfStars(Sound):
    def rating(self, user, item):
        return 9.0


class FeedbackAboutWhatWasNotShown(Sound):
    def respond(self, user, steps, observation, decision):
        hidden = next(item for item in range(DRINKS) if item not in observation.slate)
        return Feedback((Experience(hidden, 4.0, "world"),), ending="done")


class RaisesInTheThirdRound(Sound):
    def begin_round(self, round):
        if round == 2:
            raise KeyError("menu")
        return super().begin_round(round)


class NeverEnds(Sound):
    def respond(self, user, steps, observation, decision):
        return Feedback((), ending="")


class NobodyVisits(Sound):
    def begin_round(self, round):
        self.round = round
        return []


class GlobalNumpy(Sound):
    def slate(self, user, page):
        return tuple(np.random.permutation(DRINKS)[:3].tolist())


class GlobalPython(Sound):
    def rating(self, user, item):
        return random.choice([2.0, 4.0])


class ReadsTheClock(Sound):
    def rating(self, user, item):
        return 1.0 + time.perf_counter_ns() % 1000 / 500


class SharesItsStateInTheClass(Sound):
    counts = np.zeros(DRINKS)

    def __init__(self, config, dataset, streams):
        super().__init__(config, dataset, streams)
        self.sold = self.counts

    def restore(self, state):
        self.sold[:] = state["sold"]


class RespondSells(Sound):
    def respond(self, user, steps, observation, decision):
        feedback = super().respond(user, steps, observation, decision)
        for experience in feedback.experiences:
            self.sold[experience.item] += 1
        return feedback

    def end_round(self, visits):
        return {}


class ObserveCounts(Sound):
    """It draws from a stream of its own that goes on, so each call sees other drinks."""

    def begin_round(self, round):
        self.rng = self.streams.stream("bar", round=round)
        return super().begin_round(round)

    def slate(self, user, page):
        return tuple(self.rng.choice(DRINKS, 3, replace=False).tolist())


class RemembersTheLastDecision(Sound):
    """A second decision for the same page gets another feedback."""

    def begin_round(self, round):
        self.asked = set()
        return super().begin_round(round)

    def rating(self, user, item):
        again = (user, item) in self.asked
        self.asked.add((user, item))
        return 1.0 if again else 4.0


class KnowsWhoCameBefore(Sound):
    """The first to ask in a round gets a discount, whoever she is."""

    def begin_round(self, round):
        self.first = None
        return super().begin_round(round)

    def card(self, user, item):
        self.first = user if self.first is None else self.first
        return f"{self.cards[item]}{' (half price)' if user == self.first else ''}"


class ForgetsInState(Sound):
    def state(self):
        return {}

    def restore(self, state):
        pass


class RestoresHalf(Sound):
    """`restore` adds to what is there, which only a used copy shows."""

    def restore(self, state):
        self.sold += state["sold"]


class HandsOutItsArray(Sound):
    def state(self):
        return {"sold": self.sold}


class KeepsTheGivenArray(Sound):
    def restore(self, state):
        self.sold = state["sold"]


class SetsSlates(Sound):
    """A schedule can set what a guest sees on the first page."""

    def __init__(self, config, dataset, streams):
        super().__init__(config, dataset, streams)
        self.slates = np.zeros((0, 2), np.int64)  # guest and drink

    def set_slates(self, slates):
        pairs = [(user, item) for user, items in slates.items() for item in items]
        self.slates = np.array(pairs)

    def slate(self, user, page):
        drinks = self.slates[self.slates[:, 0] == user, 1]
        return tuple(drinks.tolist()) if page == 1 and len(drinks) else super().slate(user, page)

    def end_round(self, visits):
        self.slates = np.zeros((0, 2), np.int64)
        return super().end_round(visits)

    def state(self):
        return {"sold": self.sold.copy(), "slates": self.slates.copy()}

    def restore(self, state):
        self.sold, self.slates = np.array(state["sold"]), np.array(state["slates"])


class IgnoresTheSlate(SetsSlates):
    def slate(self, user, page):
        return Sound.slate(self, user, page)


class SlateForEverybody(SetsSlates):
    def slate(self, user, page):
        return super().slate(self.slates[0, 0] if len(self.slates) else user, page)


class KeepsTheSlate(SetsSlates):
    def end_round(self, visits):
        return Sound.end_round(self, visits)


class LosesTheSlate(SetsSlates):
    def restore(self, state):
        self.sold = np.array(state["sold"])


class EmptyRoundFails(Sound):
    def end_round(self, visits):
        return {"sold per visit": super().end_round(visits)["sold"] / len(visits)}


class OneRewardForAll(Sound):
    """It hands out one dictionary and changes it at each call."""

    reward: ClassVar = {"sales": 0.0}

    def respond(self, user, steps, observation, decision):
        feedback = super().respond(user, steps, observation, decision)
        self.reward.update(feedback.reward)
        return Feedback(feedback.experiences, reward=self.reward, ending=feedback.ending)


class EmptiesTheVisits(Sound):
    def end_round(self, visits):
        figures = super().end_round(visits)
        visits.clear()
        return figures


class RatingOnTheCard(Sound):
    def card(self, user, item):
        return f"{self.cards[item]} (you: {self.rating(user, item):.2f})"


class Prints(Sound):
    def end_round(self, visits):
        print("visits:", len(visits))
        return super().end_round(visits)


class Slow(Sound):
    def observe(self, user, steps):
        if user == 0 and not steps and self.round == 0:
            time.sleep(SLOW_S)
        return super().observe(user, steps)


class Leaks(Sound):
    def end_round(self, visits):
        self.kept = [*getattr(self, "kept", []), np.zeros((6, 1_000_000))]
        return super().end_round(visits)


class OtherTaskThanDeclared(Sound):
    task = RANKING


class FigureThatIsNotThere(Sound):
    own_metrics = ("revenue",)


class RewardThatIsNotDeclared(Sound):
    reward_names = ("tips",)


class HashedOrder(Sound):
    """The order of a set of texts differs between processes."""

    def slate(self, user, page):
        kinds = list({f"drink {n}" for n in range(DRINKS)})
        return tuple(int(kind[6:]) for kind in kinds[:3])


class Choosing(Sound):
    """Sound, with another task: guests choose one drink, and order what they see."""

    def target(self, user, steps):
        return self.slate(user, 1)[int(self.stream(user, 50).integers(3))]

    def observe(self, user, steps):
        slate = self.slate(user, 1)
        cards = tuple(self.marked(user, item) for item in slate)
        return Observation(RANKING, slate, cards)

    def marked(self, user, item):
        return self.cards[item]

    def respond(self, user, steps, observation, decision):
        target = self.target(user, steps)
        lived = (Experience(target, 5.0, "world"),)
        return Feedback(lived, target=target, reward={"tier": 1.0}, ending="done")


class TargetFirst(Choosing):
    def target(self, user, steps):
        return self.slate(user, 1)[0]


class TargetMarked(Choosing):
    def marked(self, user, item):
        return self.cards[item] + ("*" if item == self.target(user, ()) else "")


class OwnActions(World):
    """Sound: a world with actions of its own, in which an array and a number change."""

    task = Task(
        "shop",
        (ActionKind("look at"), ActionKind("buy", Amount(1, 3)), ActionKind("comment", FreeText())),
        per_item=1,
    )
    own_metrics = ("money",)
    reward_names = ("sales",)

    def set_up(self):
        self.users = [User(f"u{n}") for n in range(GUESTS)]
        self.items = [Item(f"i{n}", f"Drink {n}", numbers={"price": 2.0}) for n in range(DRINKS)]
        self.kept = {"sold": np.zeros(DRINKS), "money": 0.0}

    def offer(self, user, steps):
        stream = self.streams.stream("offer", user=user, round=self.round)
        return stream.permutation(DRINKS)[:3]

    def react(self, user, steps, shown, decision):
        sales = sum(a.value for a in decision.actions if a.kind == "buy")
        lived = tuple(
            Experience(a.item, None, "world", action=f"buy {a.value:g}", like=True)
            for a in decision.actions
            if a.kind == "buy"
        )
        return Feedback(lived, reward={"sales": float(sales)}, ending="done")

    def after_round(self, visits):
        for visit in visits:
            for step in visit.steps:
                for experience in step.feedback.experiences:
                    self.kept["sold"][experience.item] += 1
                self.kept["money"] += 2.0 * step.feedback.reward["sales"]
        return {"money": self.kept["money"]}


class Hoards(OwnActions):
    """It keeps 4 MiB of each step in the class: one copy keeps little, and all copies much."""

    hoard = ()

    def react(self, user, steps, shown, decision):
        Hoards.hoard += (np.ones(2**19),)
        return super().react(user, steps, shown, decision)


class RunsOutOfMemory(OwnActions):
    def react(self, user, steps, shown, decision):
        raise MemoryError


class ReactReturnsADict(OwnActions):
    def react(self, user, steps, shown, decision):
        return {"x": 1}


class OffersRow9(OwnActions):
    def offer(self, user, steps):
        return [0, 9]


class CardIsANumber(OwnActions):
    def item_card(self, item, user):
        return item


class CardTellsTheStars(World):
    def set_up(self):
        self.users = [User(f"u{n}") for n in range(GUESTS)]
        self.items = [Item(f"i{n}", f"Drink {n}") for n in range(DRINKS)]

    def offer(self, user, steps):
        return [0, 1, 2]

    def item_card(self, item, user):
        return f"{self.cards[item]} (you: {item + 2.5})"

    def react(self, user, steps, shown, decision):
        watched = [action.item for action in decision.actions if action.watched]
        return Feedback(tuple(Experience(i, i + 2.5, "world") for i in watched), ending="done")


class ReactSells(OwnActions):
    def react(self, user, steps, shown, decision):
        self.kept["money"] += 1.0
        return super().react(user, steps, shown, decision)


class NamesOtherMetrics(OwnActions):
    own_metrics = ("revenue",)


class RespondsItself(OwnActions):
    def respond(self, user, steps, observation, decision):
        return None


class Growing(OwnActions):
    """Sound: a drink appears in each round."""

    def begin_round(self, round):
        for n in range(len(self.items), DRINKS + round + 1):
            self.items.append(Item(f"i{n}", f"Drink {n}"))
            self.cards.append(card(self.items[-1]))
            self.popularity = np.append(self.popularity, 0)
        return super().begin_round(round)

    def live(self):
        return np.arange(len(self.items)) <= DRINKS + self.round

    def offer(self, user, steps):
        stream = self.streams.stream("offer", user=user, round=self.round)
        return stream.permutation(np.flatnonzero(self.live()))[:3]

    def set_up(self):
        super().set_up()
        self.kept["sold"] = np.zeros(DRINKS + 9)


class OffersWhatIsToCome(Growing):
    """After it went back to an earlier round, drinks of later rounds are there."""

    def live(self):
        return np.ones(len(self.items), np.bool_)


class TwoActions(OwnActions):
    """Sound: guests may do two things with a drink, and search after the page."""

    task = Task(
        "shop",
        (ActionKind("buy", Amount(1, 3)), ActionKind("comment", FreeText(), at_most=1)),
        per_item=2,
        after=(ActionKind("search", FreeText()),),
    )

    def react(self, user, steps, shown, decision):
        feedback = super().react(user, steps, shown, decision)
        return replace(feedback, ending="done" if len(steps) + 1 == PAGES else "")


class FailsOnSearch(TwoActions):
    def react(self, user, steps, shown, decision):
        if decision.move:
            {"tea": 1}[decision.move.value]
        return super().react(user, steps, shown, decision)


class ExpectsOneActionAnItem(TwoActions):
    def react(self, user, steps, shown, decision):
        dict(zip(shown.slate, decision.actions, strict=True))
        return super().react(user, steps, shown, decision)


class ExpectsStarsWithEachWatch(Sound):
    """In a feed an answer may leave the stars out."""

    def respond(self, user, steps, observation, decision):
        for action in decision.actions:
            if action.kind == "watch":
                float(action.value)
        return super().respond(user, steps, observation, decision)
