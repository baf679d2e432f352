"""The gate says whether the slow node is asked after a step, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_agents.star import Gate
from starec_sim.errors import ConfigError
from starec_sim.settings import validate
from starec_sim.tasks import FEED, RANKING
from starec_sim.types import Action, Decision, Experience, Feedback, Observation

SLATE = (10, 11, 12, 13, 14, 15, 16)
LIST = Observation(RANKING, SLATE, ("",) * 7)
PAGE = Observation(FEED, SLATE[:3], ("",) * 3)
NOTHING = Feedback(())


def chosen(item):
    return Feedback((Experience(item, 5.0, "logged"),), target=item)


def watched(*pairs):
    """A page on which each pair was watched: (expected stars or None, true stars)."""
    actions = tuple(Action(10 + n, "watch", expected) for n, (expected, _) in enumerate(pairs))
    lived = tuple(Experience(10 + n, true, "world") for n, (_, true) in enumerate(pairs))
    return Decision(actions=actions), Feedback(lived)


def judged(gate, observation, decision, feedback, steps=1):
    verdict = gate.judge(observation, decision, feedback, steps)
    return verdict.slow, verdict.reason


ASKED = Decision(SLATE, read=7)


@pytest.mark.parametrize("when", ["always", "surprise", "every", "never"])
@pytest.mark.parametrize("decision", [ASKED, Decision(SLATE, flaws={"unparsed": 1})])
def test_nobody_thinks_about_a_step_that_revealed_nothing(when, decision):
    gate = Gate(when=when, every=1)
    assert judged(gate, LIST, decision, NOTHING) == (False, "nothing was revealed")


def test_always_thinks_and_never_does_not():
    assert judged(Gate(when="always"), LIST, ASKED, chosen(10)) == (True, "always")
    flawed = Decision(SLATE, flaws={"unparsed": 1})
    assert judged(Gate(when="never"), LIST, flawed, chosen(16)) == (False, "never")


def test_a_gate_that_closes_lets_nobody_think_after_its_last_step():
    gate = Gate(when="always", until=2)
    slow = [judged(gate, LIST, ASKED, chosen(16), steps)[0] for steps in (1, 2, 3, 4)]
    assert slow == [True, True, False, False]
    assert judged(gate, LIST, ASKED, chosen(16), 3)[1] == "never after step 2"


def test_every_third_step_of_a_life_is_thought_about():
    gate = Gate(when="every", every=3)
    verdicts = [judged(gate, LIST, ASKED, chosen(10), steps) for steps in range(1, 8)]
    assert [slow for slow, _ in verdicts] == [False, False, True, False, False, True, False]
    assert verdicts[2][1] == "step 3, every 3"


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        (10, (False, "as expected")),
        (14, (False, "as expected")),
        (15, (True, "the choice was ranked 6")),
        (99, (True, "the choice was not on the list")),
    ],
)
def test_a_ranking_surprises_when_the_choice_stands_below_the_fifth_rank(item, verdict):
    assert judged(Gate(), LIST, ASKED, chosen(item)) == verdict


def test_how_deep_a_choice_must_stand_to_surprise_is_a_setting():
    assert judged(Gate(rank_above=1), LIST, ASKED, chosen(11)) == (True, "the choice was ranked 2")


def test_a_ranking_without_a_choice_surprises_nobody():
    lived = Feedback((Experience(16, 1.0, "logged"),))
    assert judged(Gate(), LIST, ASKED, lived) == (False, "as expected")


@pytest.mark.parametrize("observation", [LIST, PAGE])
def test_a_prediction_that_could_not_be_read_surprises(observation):
    decision = Decision(SLATE, read=7, flaws={"duplicate": 1})
    assert judged(Gate(), observation, decision, chosen(10)) == (
        True,
        "the prediction could not be read",
    )


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ([(4.0, 3.0)], (False, "as expected")),
        ([(4.0, 2.5)], (True, "an item was 1.5 stars worse than expected")),
        ([(3.0, 5.0)], (True, "an item was 2.0 stars better than expected")),
        ([(4.0, 4.0), (5.0, 1.0), (2.0, 4.0)], (True, "an item was 4.0 stars worse than expected")),
        ([(None, 1.0)], (False, "as expected")),
        ([(None, 1.0), (4.0, 4.0)], (False, "as expected")),
    ],
)
def test_a_page_surprises_by_its_most_misjudged_item(pairs, verdict):
    assert judged(Gate(), PAGE, *watched(*pairs)) == verdict


def test_an_item_she_did_not_rate_beforehand_cannot_surprise():
    decision = Decision(actions=(Action(10, "skip", 5.0),))
    feedback = Feedback((Experience(11, 1.0, "world"),))
    assert judged(Gate(), PAGE, decision, feedback) == (False, "as expected")


@given(st.integers(0, 6), st.integers(1, 7))
def test_a_lower_threshold_never_makes_the_gate_calmer(place, rank_above):
    strict, calm = Gate(rank_above=rank_above), Gate(rank_above=rank_above + 1)
    feedback = chosen(SLATE[place])
    assert judged(strict, LIST, ASKED, feedback)[0] >= judged(calm, LIST, ASKED, feedback)[0]


@pytest.mark.parametrize(
    "settings", [{"when": "sometimes"}, {"every": 0}, {"rank_above": 0}, {"stars_apart": 0}]
)
def test_a_gate_that_makes_no_sense_is_refused_by_its_key(settings):
    with pytest.raises(ConfigError, match=f"agent.gate.{next(iter(settings))}"):
        validate(Gate, settings, "agent.gate")
