"""Events of a schedule in a feed: items are boosted or removed, users get a message."""

import re

import numpy as np
import pytest

from starec_environments.feed_events import EVENTS, Ads, Boost, FeedEvents
from starec_sim import RunEvents, fork, load_dataset, resume, run
from starec_sim.errors import ConfigError
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.schedule import scheduled_event
from starec_sim.types import Item, User
from tests.small_feed import digests, small_feed

DATA = {"use": "synthetic", "users": 8, "items": 120}
ROUNDS = 4
ITEMS = load_dataset(DATA).items
NAME, VALUE = "genre", "Drama"
CHOSEN = {row for row, item in enumerate(ITEMS) if VALUE in item.attributes[NAME]}


def experiment(folder, *schedule, **changes):
    feed = {"use": "feed", "recommender": "popularity", "activity": 1.0, "page_size": 4, "pages": 2}
    values = {"rounds": ROUNDS, "environment": feed, "schedule": schedule, **changes}
    return small_feed(folder, "events", DATA["users"], **values)


def event(round, use, **settings):
    return {"round": round, "event": {"use": use, **settings}}


def shown(folder):
    """Return the slates of each round."""
    with reading(folder) as reader:
        trial = reader.trial("main", 3)
        return [
            [step.observation for steps in reader.round_steps(trial, n).values() for step in steps]
            for n in range(ROUNDS)
        ]


SEVERAL = [
    event(3, "remove", attribute=NAME, value=VALUE),
    event(3, "message", text="it rains"),
    {"round": 3, "set": {"environment.recommender": "random"}},
    event(4, "boost", items=[ITEMS[5].id]),
]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return run(experiment(tmp_path_factory.mktemp("several"), *SEVERAL))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(experiment(tmp_path_factory.mktemp("plain"))).folder


def test_removed_items_are_shown_no_more(tmp_path, plain):
    folder = run(experiment(tmp_path, event(3, "remove", attribute=NAME, value=VALUE))).folder
    rounds = shown(folder)
    assert rounds[:2] == shown(plain)[:2]
    assert any(CHOSEN & set(each.slate) for each in shown(plain)[2])
    assert not any(CHOSEN & set(each.slate) for n in (2, 3) for each in rounds[n])


def test_boosted_items_stand_first(tmp_path, plain):
    entry = event(3, "boost", attribute=NAME, value=VALUE)
    rounds = shown(run(experiment(tmp_path, entry)).folder)
    assert rounds[:2] == shown(plain)[:2]
    for each in rounds[2]:
        flags = [item in CHOSEN for item in each.slate]
        assert flags == sorted(flags, reverse=True)
    boosted = sum(item in CHOSEN for each in rounds[2] for item in each.slate)
    without = sum(item in CHOSEN for each in shown(plain)[2] for item in each.slate)
    assert boosted > without


def test_a_boost_may_have_few_places(tmp_path):
    item = ITEMS[-1].id
    entry = event(2, "boost", items=[item], places=1)
    rounds = shown(run(experiment(tmp_path, entry)).folder)
    boosted = [each.slate[0] for each in rounds[1] if each.page == 1]
    assert boosted.count(len(ITEMS) - 1) > len(boosted) / 2


def test_a_message_is_read_by_the_users_that_it_is_for(tmp_path):
    entry = event(3, "message", text="it rains", profile={"gender": "F"})
    folder = run(experiment(tmp_path, entry)).folder
    users = load_dataset(DATA).users
    told = {row for row, user in enumerate(users) if user.profile["gender"] == "F"}
    assert 0 < len(told) < len(users)
    with reading(folder) as reader:
        trial = reader.trial("main", 3)
        for number in range(ROUNDS):
            turns = reader.round_turns(trial, number)
            read = {k.user for k, turn in turns.items() if "it rains" in turn.messages[-1][1]}
            assert read == (told if number >= 2 else set())


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [2, 3])
def test_a_resume_has_the_events_that_happened(tmp_path, several, rounds):
    class Stop(RunEvents):
        def round_finished(self, round, metrics):
            if round + 1 == rounds:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment(tmp_path, *SEVERAL), Stop())
    (folder,) = tmp_path.iterdir()
    assert resume(folder).digest == several.digest


def test_a_fork_may_have_an_event(plain):
    found = fork(plain, 2, (), scheduled=[f"remove,attribute={NAME},value='{VALUE}'"])
    one, other = digests(plain), digests(found.run.folder)
    assert one[:2] == other[:2]
    assert one[2] != other[2]
    assert not any(CHOSEN & set(each.slate) for each in shown(found.run.folder)[2])
    assert read_manifest(found.run.folder).fork_of.round == 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            event(3, "bost", items=["i1"]),
            'has no event "bost"; did you mean "boost"',
        ),
        (event(3, "boost", item=["i1"]), "schedule.0.event.item: there is no such key"),
        (event(3, "boost"), "name items by their ids, or an attribute and its value"),
        (event(3, "remove", items=["i1"], attribute="a", value="b"), "name items by their ids"),
        (event(3, "remove", attribute=NAME), "name items by their ids"),
        (event(3, "remove", items=["nothing"]), 'there is no item "nothing"'),
        (event(3, "remove", attribute=NAME, value="nothing"), f"no item has {NAME}=nothing"),
        (event(3, "message", text=""), "schedule.0.event.text"),
        (event(3, "message", text="a", profile={"age": "none"}), "no user has the profile"),
        (event(9, "message", text="a"), "is 9, and the run has 4 rounds"),
        (event(3, "inject", id="i1", title="A", like="i2"), 'there is an item "i1" already'),
        (event(3, "inject", id="new", title="A", like="i0"), 'there is no item "i0"'),
        (event(3, "ads", items=["i1"], label="a | b"), "schedule.0.event.label"),
        (event(3, "shift", items=["i1"], stars=9), "schedule.0.event.stars"),
    ],
)
def test_a_wrong_event_is_named_before_the_run(tmp_path, entry, message):
    with pytest.raises(ConfigError) as raised:
        run(experiment(tmp_path, entry))
    assert message in raised.value.message
    assert not list(tmp_path.iterdir())


def test_an_environment_without_events_says_so(tmp_path):
    planned = experiment(tmp_path, event(3, "message", text="a"), environment={"use": "ranking"})
    with pytest.raises(ConfigError, match="the environment RankingEnvironment has no events"):
        planned.resolve()


def test_an_event_ends_where_the_schedule_says_so(tmp_path, plain):
    """An event that begins in the round in which another one ends holds."""
    others = {item for each in shown(plain)[2] for item in each.slate} - CHOSEN
    removed = event(2, "remove", attribute=NAME, value=VALUE) | {"until": 3}
    entry = event(3, "remove", items=[ITEMS[row].id for row in sorted(others)])
    rounds = shown(run(experiment(tmp_path, entry, removed)).folder)
    seen = [{item for each in round for item in each.slate} for round in rounds]
    assert not CHOSEN & seen[1]
    assert all(CHOSEN & seen[n] and not others & seen[n] for n in (2, 3))


def test_an_event_that_ends_is_part_of_the_state_of_a_feed():
    items = [Item("a", "A", {"genre": (VALUE,)}), Item("b", "B", {"genre": ("War",)})]
    events = FeedEvents(items, [User("u")])
    removed, boosted = (
        EVENTS["remove"](items=["a"]),
        EVENTS["boost"](attribute="genre", value=VALUE),
    )
    for name, settings in (("remove", removed), ("boost", boosted), ("remove", removed)):
        events.apply(name, settings)
    events.end("remove", removed)
    again = FeedEvents(items, [User("u")])
    again.restore(events.state())
    for each in (events, again):
        each.end("boost", boosted)
        assert each.changes_slates  # the second removal holds
        each.end("remove", removed)
        assert not each.changes_slates
        assert not each.state()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (event(3, "remove", items=["i1"]) | {"until": 3}, "`until` is round 3, and the event beg"),
        (
            event(3, "remove", items=["i1"]) | {"until": 9},
            "0.until: is 9, and the run has 4",
        ),
        ({"round": 2, "set": {"environment.pages": 1}, "until": 3}, "`until` ends an `event`"),
    ],
)
def test_an_end_that_cannot_be_is_refused(tmp_path, entry, said):
    with pytest.raises((ConfigError, ValueError), match=re.escape(said)):
        experiment(tmp_path, entry).resolve()


def test_events_that_do_not_end_are_told_before_the_run(tmp_path):
    class Fixed:
        events = EVENTS

        def apply(self, event, settings):
            raise AssertionError

    with pytest.raises(ConfigError, match=r"schedule.0.until: the events of Fixed do not end"):
        scheduled_event(Fixed, {"use": "remove", "items": ["i1"]}, "schedule.0.event", ends=True)


def questions(folder, number):
    """Return what users read before they choose on their first page of a round."""
    with reading(folder) as reader:
        turns = reader.round_turns(reader.trial("main", 3), number)
    return [
        turn.messages[-1][1]
        for key, turn in turns.items()
        if (key.node, key.step, key.attempt) == ("fast", 0, 0)
    ]


def stars(folder, number):
    """Return the true stars of each (user, item) that was shown in a round."""
    with reading(folder) as reader:
        trial = reader.trial("main", 3)
        return {
            (user, item): true
            for user, steps in reader.round_steps(trial, number).items()
            for n, step in enumerate(steps)
            for item, true in zip(
                step.observation.slate, reader.facts(trial, user, number, n).truth, strict=True
            )
        }


def test_injected_items_are_shown_and_rated_like_another(tmp_path, plain):
    twin, row = ITEMS[-1], len(ITEMS) - 1
    schedule = (
        event(3, "boost", items=[twin.id], places=1),
        event(3, "inject", id="new", title="Brand New", like=twin.id) | {"until": 4},
        event(3, "boost", items=["new"], places=1),
        event(4, "inject", id="other", title="Other", like="new", attributes={"genre": ["War"]}),
        event(4, "boost", items=["other"], places=1),
    )
    folder = run(experiment(tmp_path, *schedule)).folder
    rounds, new, other = shown(folder), len(ITEMS), len(ITEMS) + 1
    assert rounds[:2] == shown(plain)[:2]
    first = [each for each in rounds[2] if each.page == 1]
    assert all(each.slate[0] == new for each in first)
    card = f'"Brand New" | genre: {", ".join(twin.attributes["genre"])}'
    assert all(card in each for each in questions(folder, 2))
    assert all(each.slate[0] == other for each in rounds[3] if each.page == 1)
    assert not any(new in each.slate for each in rounds[3])
    seen = stars(folder, 2)
    pairs = [(seen[user, new], true) for (user, item), true in seen.items() if item == row]
    assert pairs and all(one == two for one, two in pairs)
    with reading(folder) as reader:
        catalogue = list(reader.catalogue(reader.trial("main", 3)))
    assert [item.title for item in catalogue][len(ITEMS) :] == ["Brand New", "Other"]
    assert catalogue[other].attributes == {"genre": ("War",)}


def test_a_resume_has_the_injected_items(tmp_path):
    schedule = [
        event(2, "inject", id="new", title="New", like="i1"),
        event(2, "boost", items=["new"]),
        {"round": 3, "set": {"environment.recommender": "random"}},
    ]
    whole = run(experiment(tmp_path, *schedule))

    class Stop(RunEvents):
        def round_finished(self, round, metrics):
            if round == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment(tmp_path / "stopped", *schedule), Stop())
    (folder,) = (tmp_path / "stopped").iterdir()
    assert resume(folder).digest == whole.digest


def test_an_ad_stands_at_its_place_on_each_page_and_is_marked(tmp_path, plain):
    entry = event(3, "ads", attribute=NAME, value=VALUE, place=2, label="paid")
    folder = run(experiment(tmp_path, entry)).folder
    rounds = shown(folder)
    assert rounds[:2] == shown(plain)[:2]
    pages = [each for each in rounds[2] if len(each.slate) > 1]
    assert pages
    assert all(each.slate[1] in CHOSEN for each in pages)
    asked = questions(folder, 2)
    assert asked and all(text.count("| ad: paid\n") == 1 for text in asked)
    assert not any("ad: paid" in text for text in questions(folder, 1))


def test_shifted_tastes_change_true_stars_of_the_users_named(tmp_path, plain):
    entry = event(3, "shift", attribute=NAME, value=VALUE, stars=-2, profile={"gender": "F"})
    folder = run(experiment(tmp_path, entry)).folder
    assert stars(folder, 1) == stars(plain, 1)
    before, after = stars(plain, 2), stars(folder, 2)
    users = load_dataset(DATA).users
    both = before.keys() & after.keys()
    hit = {(u, i) for u, i in both if i in CHOSEN and users[u].profile["gender"] == "F"}
    assert hit and len(hit) < len(both)
    for pair in both:
        assert after[pair] == (max(1, before[pair] - 2) if pair in hit else before[pair])


def test_ads_keep_their_places_after_a_boost_and_beside_other_ads():
    events = FeedEvents([Item(f"i{row}", f"T{row}") for row in range(12)], [User("u0")])
    events.apply("ads", Ads(items=("i8", "i9"), place=5, label="one"))
    events.apply("ads", Ads(items=("i10", "i11"), place=1, label="two"))
    events.apply("boost", Boost(items=("i6",)))
    order = np.arange(12)
    shown, scores, marks = events.arranged(order, -order.astype(float), page_size=5, wanted=10)
    assert shown.tolist() == [10, 6, 0, 1, 8, 11, 2, 3, 4, 9]
    assert scores.tolist() == [-float(row) for row in shown]
    assert marks == {8: "one", 9: "one", 10: "two", 11: "two"}
