"""Each fault of a recommender, an agent, a policy, a dataset or a reward is found and explained."""

import re
from pathlib import Path

import pytest

from starec_sim.checks.find import find
from starec_sim.checks.kinds import checks_of, result_of, run_checks
from starec_sim.errors import StarecError

FILE = Path(__file__).parents[2] / "broken_plugins" / "others.py"

FAULTS = {
    "RecommendsWhatWasSeen": ("values fit", r"recommend\(12 users, k=5\): .* which she has seen"),
    "DividesByZero": (
        "values fit",
        r"recommend\(.*the user in row 0 gets item \d+ with the score inf",
    ),
    "FitAddsUp": ("fit forgets", r"recommend\(.*after fit\): fitted to another log before, re"),
    "RecommendLearns": ("recommend and score", r"recommend\(.*after fit\): asked again, returned"),
    "ScoresByWhoElseIsAsked": ("recommend and score", r"score\(2 users\): gave other scores than"),
    "FailsWithoutEvents": (
        "few items",
        r"fit\(a log of 0 events\): raised ValueError: zero-si",
    ),
    "ForgetsTheCounts": ("state and restore", r"recommend\(.*a fresh copy, restored to the same"),
    "SortsTheLog": ("what is handed out", r"fit\(a log of 120 events\): changed what it was given"),
    "DrawsGlobally": ("values fit", r"recommend\(.*: changed the state of the global generator"),
    "KeepsItsVisits": (
        "time and memory",
        r"visit\(\): .* MiB more are held after 16 visits",
    ),
    "KeepsItsAnswers": ("memory of an", r"_agenerate\(\): 48 MiB more are held after 3 questions"),
    "reward_that_keeps_outcomes": ("memory of a", r".* MiB more are held after 13 outcomes"),
    "CountsItsVisits": ("the same call", r"visit\(user reader-0, .*called again after other visi"),
    "RemembersTooMuch": (
        "values fit",
        r"visit\(.*memory holds 6 experiences, and hist",
    ),
    "ForgetsToCountSteps": ("values fit", r"visit\(.*the memory has 0 steps after a visit of"),
    "InventsADecision": ("answers that nobody", r"visit\(.*a decision without flaws of the answer"),
    "AsksAnotherNode": ("values fit", r"visit\(.*the node is 'quick'; it must be fast or slow"),
    "AgentPrints": ("nothing is printed", r"visit\(user reader-0, .*: printed 'reader-0"),
    "NobodyCanRead": ("answers can be read", r"_agenerate\(a ranking\): .* cannot be read"),
    "SeesInPlaceOfWatching": ("answers can be read", r"_agenerate\(a feed\): .*see 4"),
    "SaysOnlyDashes": ("answers can be read", r"_agenerate\(a ranking\): .* cannot be read"),
    "SaysNothing": ("values fit", r"_agenerate\(a ranking\): answered ''; an answer is a text"),
    "TossesACoin": ("the same question", r"_agenerate\(a ranking\): asked again, returned"),
    "LoadsInAnyOrder": ("loading again", r"load\(log.(users|items)\): loaded again, returned"),
    "RatesByChance": ("true ratings", r"world.ratings\(user 0, round 1\): asked again in the oth"),
    "reward_without_feedback": ("values fit", r"no decision: raised AttributeError"),
    "reward_that_is_none": ("values fit", r"a ranking .*: the reward is None; it must be a num"),
    "reward_for_all": ("outcomes differ", r"is 1 for all 13 outcomes"),
    "reward_that_counts": ("the same outcome", r"a ranking that is good, fast: asked again, retu"),
}
"""By name: the check that finds it, and what the message says."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_explained(name):
    start, said = FAULTS[name]
    target = find(f"{FILE}:{name}")
    (check,) = (check for check in checks_of(target.kind) if check.name.startswith(start))
    found = result_of(check, target)
    assert found.state == "failed"
    assert re.match(rf"{target.kind} others.py:{name}(, |: ){said}", found.note), found.note
    assert found.hint


@pytest.mark.parametrize(
    "name",
    [
        "SoundRecommender",
        "SoundAgent",
        "SoundPolicy",
        "PlaysRankingsOnly",
        "SoundDataset",
        "sound_reward",
    ],
)
def test_what_is_sound_passes_all_checks(name):
    target = find(f"{FILE}:{name}")
    target.origin = None  # other processes are checked with the environments
    for found in run_checks(target):
        assert found.state == "passed", found


def test_what_a_kind_does_not_have_is_no_hint_for_it():
    target = find(f"{FILE}:reward_by_hash")
    found = result_of(checks_of("reward")[-1], target)
    assert found.state == "failed"
    assert found.hint.startswith("a reward depends on its outcome only: draw nothing; go through")


SMALL = {"use": "synthetic", "users": 12, "items": 60, "interactions": 12}
FEW_UPDATES = {"updates": 2, "epochs": 1, "dimensions": 4, "length": 5, "negatives": 8}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "settings", "data"),
    [
        ("feed", "environment", {"recommender": "popularity", "pages": 2}, SMALL),
        ("ranking", "environment", {"choices": 4}, SMALL),
        ("holdout", "environment", {}, SMALL),
        ("popularity", "recommender", {}, None),
        ("random", "recommender", {}, None),
        ("als", "recommender", {}, None),
        ("bpr", "recommender", {}, None),
        ("ease", "recommender", {}, None),
        ("gru4rec", "recommender", FEW_UPDATES, None),
        ("item-knn", "recommender", {}, None),
        ("sasrec", "recommender", FEW_UPDATES, None),
        ("agentcf", "agent", {}, None),
        ("analytic", "agent", {}, None),
        ("star", "agent", {}, None),
        ("llmrank", "agent", {}, None),
        ("lexical", "policy", {}, None),
        ("reasoner", "policy", {}, None),
        ("synthetic", "dataset", {"users": 12, "items": 60, "interactions": 12}, None),
        ("tier", "reward", {}, None),
        ("format", "reward", {}, None),
        ("ndcg", "reward", {}, None),
        ("satisfaction", "reward", {}, None),
    ],
)
def test_what_ships_passes_the_same_checks(name, kind, settings, data):
    target = find(name, kind, settings, data)
    target.origin = None
    for found in run_checks(target):
        assert found.state == "passed", found


@pytest.mark.parametrize(
    ("reference", "kind", "said"),
    [
        ("feeed", "", 'no plug-in is called "feeed"; did you mean "feed"'),
        ("agentcf", "", '"agentcf" is the name of several plug-ins: agent, dataset'),
        ("feed", "enviroment", 'no kind of plug-in "enviroment"; did you mean "environment"'),
        (f"{FILE}:Guesses", "", "does not show what kind of plug-in it is"),
        (f"{FILE}:Nothing", "", "has no Nothing"),
    ],
)
def test_what_cannot_be_checked_is_named(reference, kind, said):
    with pytest.raises(StarecError) as raised:
        find(reference, kind)
    assert said in raised.value.message
    assert raised.value.hint
