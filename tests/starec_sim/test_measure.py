"""The metrics of a round, on examples computed by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from starec_sim import measure as module
from starec_sim.measure import Measure
from starec_sim.tasks import FEED, RANKING
from starec_sim.types import (
    Action,
    Decision,
    Experience,
    Feedback,
    Item,
    Memory,
    Observation,
    Step,
    Verdict,
    Visit,
)

GENRES = (("Drama",), ("Drama",), ("Comedy",), ("Drama", "Comedy"), ("War",))


def world(histories=((),), attributes=GENRES, popularity=(4, 3, 2, 1, 0)):
    """Return an environment with five items; histories are (item, stars) pairs of each user."""
    items = [
        Item(str(row), f"T{row}", {"genre": values} if values else {})
        for row, values in enumerate(attributes)
    ]
    lived = [tuple(Experience(i, s, "logged") for i, s in history) for history in histories]
    return SimpleNamespace(
        items=items,
        users=[None] * len(lived),
        popularity=np.array(popularity),
        history=lambda user: lived[user],
    )


def page(shown, watched=(), ending="", slow=False, flaws=(), repaired=False):
    """Return a step of the feed; `watched` maps items to their true stars."""
    watched = dict(watched)
    decision = Decision(
        actions=tuple(Action(item, "watch" if item in watched else "skip") for item in shown),
        flaws=dict(flaws),
        repaired=repaired,
    )
    experiences = tuple(Experience(item, stars, "world") for item, stars in watched.items())
    return Step(
        Observation(FEED, tuple(shown), ("",) * len(shown)),
        decision,
        Feedback(experiences, ending=ending),
        Verdict(slow, ""),
        (),
        Memory(),
    )


def choice(ranking, target, read=None):
    decision = Decision(tuple(ranking), len(ranking) if read is None else read)
    return Step(
        Observation(RANKING, tuple(sorted(ranking)), ("",) * len(ranking)),
        decision,
        Feedback((), target=target, ending="done"),
        Verdict(False, ""),
        (),
        Memory(),
    )


def visits(*steps_of_users):
    return [Visit(user, 0, tuple(steps)) for user, steps in enumerate(steps_of_users)]


def measured(environment, *steps_of_users):
    return Measure(environment).round(visits(*steps_of_users))


def test_a_round_without_visits_has_no_figures() -> None:
    assert Measure(world()).round([]) == ({}, {})


def test_what_was_watched_and_how_it_was() -> None:
    found = measured(
        world([(), (), ()]),
        [page([0, 1], {0: 5.0}), page([2, 3], {2: 2.0, 3: 2.0}, "tired")],
        [page([0, 1, 2], {}, "left")],
        [page([4], {4: 4.0}, "pages")],
    )
    by_visit = found.visits
    assert by_visit["click_through"].tolist() == [0.75, 0.0, 1.0]
    assert by_visit["watch_rate"].tolist() == [1.0, 0.0, 1.0]
    np.testing.assert_array_equal(by_visit["satisfaction"], [3.0, np.nan, 4.0])
    assert by_visit["exits"].tolist() == [1.0, 1.0, 0.0]
    assert by_visit["pages"].tolist() == [2.0, 1.0, 1.0]
    assert found.round["satisfaction"] == 3.5  # who watched nothing has no say
    assert found.round["click_through"] == pytest.approx(1.75 / 3)


def test_coverage_and_gini_are_of_all_that_was_shown() -> None:
    found = measured(world([(), ()]), [page([0, 1], {}, "left")], [page([0], {}, "left")])
    assert found.round["coverage"] == 0.4
    # Shown 0, 0, 0, 1, 2 times: G = (2*4 - 6) * 1 + (2*5 - 6) * 2, over 5 * 3.
    assert found.round["gini"] == pytest.approx(10 / 15)
    assert "gini" not in found.visits and "coverage" not in found.visits


def test_diversity_is_over_all_pages_of_a_visit() -> None:
    found = measured(
        world([(), (), ()]),
        [page([0]), page([1, 2], {}, "left")],
        [page([0, 3], {}, "left")],
        [page([0], {}, "left")],
    )
    # Drama, Drama, Comedy: distances 0, 1, 1. Drama and Drama + Comedy: 1 - 1 / sqrt(2).
    expected = [2 / 3, 1 - 1 / np.sqrt(2), np.nan]
    np.testing.assert_allclose(found.visits["diversity"], expected)


def test_popularity_lift_compares_what_is_shown_with_the_users_own_level() -> None:
    environment = world([[(2, 5.0), (3, 1.0)], [(0, 5.0)], []])
    shown = [page([0, 1], {}, "left")]
    found = measured(environment, shown, shown, shown)
    # Shown 3.5 on average; her own 1.5, his 4. Who has no history has no level.
    np.testing.assert_allclose(found.visits["popularity_lift"], [3.5 / 1.5 - 1, -0.125, np.nan])


def test_taste_drift_compares_what_is_watched_with_what_was_liked() -> None:
    history = [(0, 5.0), (2, 1.0)]  # Drama was liked, Comedy was not
    found = measured(
        world([history] * 4),
        [page([1], {1: 1.0}, "left")],
        [page([2], {2: 5.0}, "left")],
        [page([3], {3: 5.0}, "left")],
        [page([4], {}, "left")],
    )
    # All Drama: 0 bits. All Comedy: 1 bit. Half of each: the divergence of (1, 0) and (1/2, 1/2).
    half = (np.log2(4 / 3) + 0.5 * np.log2(2 / 3) + 0.5 * np.log2(2)) / 2
    np.testing.assert_allclose(found.visits["taste_drift"], [0, 1, half, np.nan], atol=1e-12)


def test_conduct_is_a_share_of_steps() -> None:
    steps = [
        page([0], slow=True, flaws={"missing": 1}, repaired=True),
        page([1], slow=True, repaired=True),
        page([2]),
        page([3], ending="left"),
    ]
    found = measured(world(), steps)
    assert {name: found.round[name] for name in ("slow", "malformed", "repaired")} == {
        "slow": 0.5,
        "malformed": 0.25,
        "repaired": 0.5,
    }


def test_a_ranking_is_measured_by_the_place_of_the_choice() -> None:
    found = measured(
        world([(), (), ()]),
        [choice([3, 1, 0, 2], 3)],
        [choice([3, 1, 0, 2], 0)],
        [choice([3, 1, 0, 2], 2, read=3)],  # not read from the answer
    )
    assert found.visits["ndcg@1"].tolist() == [1.0, 0.0, 0.0]
    assert found.visits["ndcg@5"].tolist() == [1.0, 0.5, 0.0]
    assert found.visits["hit@1"].tolist() == [1.0, 0.0, 0.0]
    assert found.visits["hit@10"].tolist() == [1.0, 1.0, 0.0]
    assert found.visits["mrr"].tolist() == pytest.approx([1.0, 1 / 3, 0.0])
    assert found.round["mrr"] == pytest.approx(4 / 9)
    assert "gini" not in found.round and "satisfaction" not in found.round


def test_a_ranking_without_a_choice_says_nothing() -> None:
    found = measured(world([(), ()]), [choice([0, 1], None)], [choice([0, 1], 0)])
    np.testing.assert_array_equal(found.visits["ndcg@1"], [np.nan, 1.0])
    assert found.round["ndcg@1"] == 1.0
    nothing = measured(world(), [choice([0, 1], None)])
    assert np.isnan(nothing.round["mrr"]) and nothing.round["slow"] == 0.0


def test_the_attribute_is_the_one_with_most_values_an_item() -> None:
    items = [
        Item("0", "A", {"year": ("1999",), "genre": ("Drama", "War")}),
        Item("1", "B", {"year": ("2001",), "genre": ("War",)}),
    ]
    assert Measure(SimpleNamespace(**{**vars(world()), "items": items})).attribute == "genre"


def test_an_attribute_of_hundreds_of_values_is_not_the_one() -> None:
    items = [
        Item(
            str(row), "T", {"cast": tuple(f"{row}-{k}" for k in range(9)), "year": (f"{row % 7}",)}
        )
        for row in range(100)
    ]
    environment = world(popularity=[1] * 100)
    environment.items = items
    assert Measure(environment).attribute == "year"


def test_a_catalogue_without_attributes_has_no_diversity_and_no_drift() -> None:
    environment = world([[(0, 5.0)]], attributes=((),) * 5)
    found = measured(environment, [page([0, 1], {0: 5.0}, "left")])
    assert Measure(environment).attribute == ""
    assert "diversity" not in found.round and "taste_drift" not in found.round
    assert found.round["click_through"] == 0.5
    assert found.round["popularity_lift"] == pytest.approx(-0.125)


def test_a_world_in_which_nothing_was_consumed_before_has_no_lift() -> None:
    found = measured(world(popularity=(0,) * 5), [page([0], {0: 5.0}, "left")])
    assert np.isnan(found.round["popularity_lift"])
    assert np.isnan(found.round["taste_drift"])


def test_the_figures_do_not_depend_on_how_many_are_measured_at_once(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    histories = [
        [(int(i), 5.0) for i in rng.permutation(5)[: rng.integers(1, 5)]] for _ in range(9)
    ]
    steps = [
        [page(rng.permutation(5)[: rng.integers(1, 6)].tolist(), {}, "left")] for _ in range(9)
    ]
    for step in steps:
        first = step[0].observation.slate[0]
        step[0] = page(step[0].observation.slate, {first: 4.0}, "left")
    whole = measured(world(histories), *steps)
    monkeypatch.setattr(module, "_CELLS", 1)
    single = measured(world(histories), *steps)
    for name, values in whole.visits.items():
        np.testing.assert_array_equal(values, single.visits[name])
