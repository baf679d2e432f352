"""The scripted teacher: it weighs what a prompt shows, says how, and never errs in form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from starec_agents.star.prompting import StarPrompts
from starec_environments.datasets.synthetic import Synthetic
from starec_environments.ranking import RankingEnvironment
from starec_sim.answers import read_decision, read_summary
from starec_sim.cards import card
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.policies.reasoner import ReasonerPolicy
from starec_sim.rng import Streams
from starec_sim.tasks import BUILT_IN, RANKING
from starec_sim.types import Decision, Experience, Feedback, Item, Memory, Observation, User

POLICY = ReasonerPolicy()
MESSAGE = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


def film(title, *genres, **attributes):
    return Item(title, title, {"genre": genres, **{k: (v,) for k, v in attributes.items()}})


ALIEN, HEAT, UP = film("Alien", "Horror", "Sci-Fi"), film("Heat", "Crime"), film("Up", "Animation")


def answer(messages, policy=POLICY):
    return policy.invoke([MESSAGE[role](text) for role, text in messages]).text


def think(slate, *, history=(), summary="", task="ranking", signals=(), policy=POLICY):
    """What it goes by, the lines of reasoning and the decision, always read without a flaw."""
    items = [*slate, *(item for item, _ in history)]
    told = signals or [{}] * len(slate)
    shown = tuple(card(item, facts) for item, facts in zip(slate, told, strict=True))
    observation = Observation(BUILT_IN[task], tuple(range(len(slate))), shown)
    lived = tuple(
        Experience(len(slate) + n, float(stars), "world") for n, (_, stars) in enumerate(history)
    )
    messages = StarPrompts.read(None, 50, 180).decide(
        User("ann"), Memory(lived, summary), observation, [card(item) for item in items]
    )
    text = answer(messages, policy)
    decision, findings = read_decision(text, observation)
    assert not findings.counts, str(findings)
    first_line, *lines = text.partition("<think>\n")[2].partition("\n</think>")[0].splitlines()
    return first_line, lines, decision


def reflect(lived, *, summary="", words=180, policy=POLICY):
    """The new summary after living pairs of an item and its stars."""
    cards = tuple(card(item) for item, _ in lived)
    observation = Observation(RANKING, tuple(range(len(lived))), cards)
    experiences = tuple(Experience(n, float(s), "world") for n, (_, s) in enumerate(lived))
    prompts = StarPrompts.read(None, 10, words)
    decision = Decision(ranking=observation.slate, read=len(lived))
    feedback = Feedback(experiences, target=0)
    messages = prompts.reflect(Memory(summary=summary), observation, decision, feedback, cards)
    written, findings = read_summary(answer(messages, policy), words)
    assert not findings.counts, str(findings)
    return written.splitlines()


# --- ranking --------------------------------------------------------------------------------------


def test_every_candidate_gets_a_line_with_what_matters_and_its_balance():
    _, lines, decision = think(
        [HEAT, ALIEN, UP], history=[(film("Aliens", "Sci-Fi"), 5)] * 2 + [(film("S", "Horror"), 1)]
    )
    assert lines == ["A. nothing = 0", "B. Horror: hated, Sci-Fi: loved = 0", "C. nothing = 0"]
    assert decision.ranking == (0, 1, 2), "equal balances keep the order that was shown"


def test_the_best_balance_comes_first():
    *_, decision = think(
        [HEAT, UP, ALIEN], history=[(film("Aliens", "Sci-Fi"), 5), (film("Ronin", "Crime"), 1)]
    )
    assert decision.ranking == (2, 1, 0)


def test_summary_and_history_vote_alike():
    _, (line,), _ = think(
        [HEAT], history=[(film("Ronin", "Crime"), 1)], summary="Crime: liked (4 of 4)"
    )
    assert line == "A. nothing = 0"


def test_many_meetings_say_more_than_one():
    once, often = ([(film("R", "Crime"), 5)] * met for met in (1, 3))
    assert think([HEAT], history=once)[1] == ["A. Crime: liked = +1"]
    assert think([HEAT], history=often)[1] == ["A. Crime: loved = +2"]


def test_habit_counts_meetings_whatever_came_of_them():
    habit = ReasonerPolicy(by="habit")
    often = [(film("R", "Crime"), 1)] * 2
    known = {"summary": "Crime: disliked (0 of 1), Animation: liked (1 of 1)", "policy": habit}
    first_line, lines, _ = think([HEAT, UP, ALIEN], history=often, **known)
    assert first_line == "By habit 2"
    assert lines == ["A. Crime: loved = +2", "B. Animation: liked = +1", "C. nothing = 0"]


def test_a_quiet_habit_speaks_only_of_what_is_met_often():
    habit = ReasonerPolicy(by="habit", attributes=1)
    summary = "Crime: disliked (0 of 3), Animation: liked (2 of 2)"
    _, lines, _ = think([HEAT, UP], summary=summary, policy=habit)
    assert lines == ["A. Crime: liked = +1", "B. nothing = 0"]


def test_signals_are_evidence_too():
    facts = {"seen by": "top 5 %", "mean rating": "4.1", "liked together with": "2 (Saw, Ronin)"}
    rare = {"seen by": "few", "mean rating": "2.4"}
    _, lines, decision = think([HEAT, UP, ALIEN], signals=[{}, rare, facts])
    assert lines[1:] == [
        "B. few: disliked, 2.4: disliked = -2",
        "C. top 5 %: liked, 4.1: liked, together: +2 = +4",
    ]
    assert decision.ranking == (2, 0, 1)


def test_the_first_line_names_the_weight_of_each_kind_of_evidence_on_the_cards():
    assert think([HEAT])[0] == "By taste 2"
    facts = [{"mean rating": "4.1"}, {"seen by": "few"}]
    assert think([HEAT, UP], signals=facts)[0] == "By taste 2, popularity 1, rating 1"
    with_company = [{"liked together with": "1 (Saw)"}, {}]
    silent = ReasonerPolicy(attributes=0, together=0)
    assert think([HEAT, UP], signals=with_company, policy=silent)[0] == "By taste 0, together 0"


@pytest.mark.parametrize(
    ("loudness", "said"),
    [
        (0, ["nothing = 0", "nothing = 0", "nothing = 0"]),
        (1, ["few: disliked = -1", "top 1 %: liked, together: +1 = +2", "together: +3 = +3"]),
        (2, ["few: hated = -2", "top 1 %: loved, together: +2 = +4", "together: +4 = +4"]),
        (3, ["few: loathed = -3", "top 1 %: adored, together: +2 = +5", "together: +6 = +6"]),
    ],
)
def test_weights_of_popularity_and_together_are_written_in_words(loudness, said):
    facts = [
        {"seen by": "few"},
        {"seen by": "top 1 %", "liked together with": "1 (Saw)"},
        {"liked together with": "7 (Saw, Ronin, Dune)"},
    ]
    policy = ReasonerPolicy(popularity=loudness, together=loudness)
    _, lines, _ = think([HEAT, UP, ALIEN], signals=facts, policy=policy)
    assert lines == [f"{mark}. {line}" for mark, line in zip("ABC", said, strict=True)]


@pytest.mark.parametrize("said", ["", "Saw", "0 (Saw)", "-3 (Saw)", "\u00b2 (Saw)", "1e9 (Saw)"])
def test_company_without_a_count_says_nothing(said):
    _, lines, _ = think([HEAT, UP], signals=[{"liked together with": said}, {}])
    assert lines == ["A. nothing = 0", "B. nothing = 0"]


def test_however_large_a_count_company_has_its_limit():
    _, lines, _ = think([HEAT, UP], signals=[{"liked together with": "9" * 150}, {}])
    assert lines[0] == "A. together: +9 = +9"


# --- feed -----------------------------------------------------------------------------------------


def test_on_a_page_it_watches_what_more_speaks_for():
    *_, decision = think(
        [HEAT, ALIEN], summary="Crime: disliked (0 of 2), Sci-Fi: liked (4 of 4)", task="feed"
    )
    assert [action.done for action in decision.actions] == [False, True]
    assert not decision.leave


def test_of_an_unknown_page_it_tries_the_top_and_a_bad_page_it_leaves():
    *_, unknown = think([HEAT, UP], task="feed")
    assert [action.done for action in unknown.actions] == [True, False]
    *_, bad = think([HEAT], summary="Crime: disliked (0 of 4)", task="feed")
    assert bad.leave


# --- reflection -----------------------------------------------------------------------------------


def test_feedback_is_counted_and_what_was_met_last_comes_first():
    summary = "War: disliked (0 of 1)\nCrime: liked (2 of 2)"
    assert reflect([(HEAT, 2)], summary=summary) == [
        "Crime: liked (2 of 3)",
        "War: disliked (0 of 1)",
    ]


def test_old_meetings_fade_so_that_a_summary_can_follow_a_taste():
    summary = ""
    for stars in [5] * 20 + [1] * 6:
        summary = "\n".join(reflect([(HEAT, stars)], summary=summary))
    assert summary.startswith("Crime: disliked")


def test_a_short_limit_is_kept():
    assert reflect([(ALIEN, 5), (HEAT, 4)], words=12) == [
        "Horror: liked (1 of 1)",
        "Sci-Fi: liked (1 of 1)",
    ]


def test_a_summary_keeps_what_was_met_last():
    brief = ReasonerPolicy(keeps=1)
    assert reflect([(UP, 4)], summary="Crime: liked (2 of 2)", policy=brief) == [
        "Animation: liked (1 of 1)"
    ]


# --- anything -------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=30),
    TEXT,
    st.sampled_from(["ranking", "feed"]),
)
def test_whatever_stands_on_the_cards_the_form_is_kept(slate, summary, task):
    items = [film(title, genre, maker=title) for title, genre in slate]
    _, lines, _ = think(items, summary=summary, task=task, history=[(items[0], 2)])
    assert len(lines) == len(items)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(TEXT, st.integers(1, 5)), min_size=1, max_size=20), TEXT)
def test_whatever_was_lived_a_summary_is_written(lived, summary):
    assert reflect([(film("F", genre), stars) for genre, stars in lived], summary=summary)


@pytest.fixture(scope="module")
def world():
    dataset = Synthetic(Synthetic.Config(users=120, items=500)).load()
    config = RankingEnvironment.Config(signals=["popularity", "rating", "together"])
    return RankingEnvironment(config, dataset, Streams(0))


def ndcg(world, policy):
    gains = []
    world.begin_round(0)
    for user in range(len(world.users)):
        observation = world.observe(user, ())
        messages = StarPrompts.read(None, 10, 180).decide(
            world.users[user], Memory(world.history(user)), observation, world.cards
        )
        text = answer(messages, policy)
        decision, _ = read_decision(text, observation)
        gains.append(world.respond(user, (), observation, decision).reward["ndcg"])
    return float(np.mean(gains))


def test_where_cards_carry_signals_it_reads_them_and_the_lexical_floor_does_not(world):
    assert ndcg(world, POLICY) > ndcg(world, LexicalPolicy()) + 0.05


def test_its_first_line_names_its_settings_and_can_be_read_back():
    loud = ReasonerPolicy(by="habit", attributes=1, popularity=3, rating=0, together=2, follows=1)
    line = "By habit 1, popularity 3, rating 0, together 2, follows 1"
    assert loud.first_line() == line
    assert ReasonerPolicy.from_first_line(line) == loud
    assert loud.first_line(["mean rating"]) == "By habit 1, rating 0"
    assert ReasonerPolicy.from_first_line("By taste 0") == ReasonerPolicy(attributes=0)


@pytest.mark.parametrize(
    "line", ["", "By luck 2", "By taste 3", "By taste 2, named 1", "By taste 2, popularity 9", "By"]
)
def test_a_line_that_it_would_never_say_is_refused(line):
    with pytest.raises(ValueError):
        ReasonerPolicy.from_first_line(line)
