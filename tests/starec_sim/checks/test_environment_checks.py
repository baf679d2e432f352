"""Each fault of an environment is found by the check that is made for it, and explained."""

import re
from pathlib import Path

import pytest

from starec_sim.boundary import watch
from starec_sim.checks import environment, other_process
from starec_sim.checks import target as check_target
from starec_sim.checks.find import find
from starec_sim.checks.kinds import checks_of, result_of, run_checks
from starec_sim.checks.target import CallPlace, CallWatch
from starec_sim.errors import StarecError

FILE = Path(__file__).parents[2] / "broken_plugins" / "environments.py"
OTHER_PROCESS = "the same in another process"

FAULTS = {
    "ObserveReturnsNone": ("values fit", r"observe\(user u0, round 1, page 1\): returned None; it"),
    "ItemOutsideOfTheCatalogue": ("values fit", r"observe\(.*the slate holds item 9; there are 9"),
    "RatingOutsideOfStars": ("values fit", r"respond\(user u\d, round 1, page 1\): .* is 9; rat"),
    "FeedbackAboutWhatWasNotShown": ("values fit", r"respond\(.*item \d, which was not shown"),
    "RaisesInTheThirdRound": ("values fit", r"begin_round\(round 3\): raised KeyError: 'menu'"),
    "NeverEnds": ("values fit", r"respond\(user u0, round 1, page 201\): .* does not end"),
    "NobodyVisits": ("values fit", r"begin_round\(round 1\): returned no users"),
    "FailsOnSearch": (
        "values fit",
        r"react\(user u\d, round \d, page \d\): raised KeyError: 'good'",
    ),
    "ExpectsOneActionAnItem": ("values fit", r"react\(.*raised ValueError: zip\(\) argument 2"),
    "ExpectsStarsWithEachWatch": ("values fit", r"respond\(.*raised TypeError: float\(\) argu"),
    "OtherTaskThanDeclared": ("declarations", r"observe\(\): the task is feed, and .* ranking"),
    "FigureThatIsNotThere": ("declarations", r'end_round\(.*own_metrics names "revenue"'),
    "RewardThatIsNotDeclared": ("declarations", r'respond\(.*reward has "sales"'),
    "ReadsTheClock": ("values fit", r"the visits of round 1: respond for .* asked again"),
    "SharesItsStateInTheClass": ("the same seed", r"(observe|respond|state)\(.*returned"),
    "RespondSells": ("observe and respond", r'state\(after round 0, "sold"\): asked again after'),
    "ObserveCounts": ("observe and respond", r"observe\(user u\d, round 1, page \d\): asked again"),
    "RemembersTheLastDecision": ("observe and respond", r"respond\(user u\d, .*asked again, re"),
    "KnowsWhoCameBefore": ("the order of visits", r"observe\(user u0, round 1.*the last user fir"),
    "ForgetsInState": ("state and restore", r"observe\(.*a copy that had played, restored"),
    "RestoresHalf": ("state and restore", r"observe\(.*a copy that had played, restored"),
    "OffersWhatIsToCome": ("state and restore", r"offer\(.*a copy that had played, restored to"),
    "HandsOutItsArray": (
        "state and restore",
        r"state\(after round 0\): the arrays that",
    ),
    "KeepsTheGivenArray": (
        "state and restore",
        r"restore\(the state after round 0\): kept the",
    ),
    "IgnoresTheSlate": ("a schedule", r"observe\(user u0, round 2, page 1\): shows the slate "),
    "SlateForEverybody": ("a schedule", r"observe\(user u1, .*after set_slates for user u0, ret"),
    "KeepsTheSlate": ("a schedule", r"set_slates\(user u0\): the slate is shown in the round af"),
    "LosesTheSlate": ("a schedule", r"set_slates\(user u0\): a copy that is restored shows"),
    "EmptyRoundFails": ("users may leave", r"end_round\(round 3\): raised ZeroDivisionError"),
    "OneRewardForAll": ("what is handed out", r"respond\(user u\d, .*: changed what it was given"),
    "EmptiesTheVisits": ("what is handed out", r"end_round\(round 1\): changed what it was given"),
    "GlobalNumpy": ("global random", r"observe\(.*global generator numpy.random"),
    "GlobalPython": ("global random", r"respond\(.*global generator random"),
    "RatingOnTheCard": ("observations hold", r"observe\(\): the cards hold the rating .*\(you: "),
    "TargetFirst": ("observations hold", r"observe\(\): the item .* at place 1 of all 12 slates"),
    "TargetMarked": ("observations hold", r'observe\(\): the card .* has "\*" on all 12 slates'),
    "ReactReturnsADict": (
        "values fit",
        r"react\(user u0, round 1, page 1\): returned {'x': 1}; it",
    ),
    "OffersRow9": ("values fit", r"offer\(user u0, round 1, page 1\): .*offer returned item 9"),
    "CardIsANumber": (
        "values fit",
        r"item_card\(user u0, round 1, page 1\): a card is \d; it must",
    ),
    "CardTellsTheStars": ("observations hold", r"item_card\(\): the cards hold the rating that"),
    "NamesOtherMetrics": ("declarations", r'after_round\(round 3\): own_metrics names "revenue"'),
    "RespondsItself": ("values fit", r"respond\(user u0, round 1, page 1\): returned None; it"),
    "Prints": ("nothing is printed", r"end_round\(round 1\): printed 'visits: 4\\n' to stdout"),
    "Slow": ("time and memory", r"observe\(\): took 0.1 s for one call"),
    "Leaks": ("time and memory", r"end_round\(round 2\): 4\d MiB more are held"),
}
"""By class: the check that finds it, and what the message says."""


def check_named(kind, start):
    (found,) = (check for check in checks_of(kind) if check.name.startswith(start))
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_explained(name, monkeypatch):
    monkeypatch.setattr(environment, "_SLOW_S", 0.09)
    check, said = FAULTS[name]
    found = result_of(check_named("environment", check), find(f"{FILE}:{name}"))
    assert found.state == "failed"
    assert re.match(rf"environment environments.py:{name}, {said}", found.note), found.note
    assert re.search(r" \(environments.py:\d+\)$", found.note)
    assert found.hint


@pytest.mark.parametrize(
    "name", ["Sound", "Choosing", "OwnActions", "TwoActions", "Growing", "SetsSlates"]
)
def test_a_sound_environment_passes_all_checks(name):
    target = find(f"{FILE}:{name}")
    target.origin = None  # another process is checked below
    for found in run_checks(target):
        assert found.state == "passed", found


def test_of_a_world_the_methods_that_its_author_wrote_are_named():
    found = result_of(check_named("environment", "values fit"), find(f"{FILE}:ReactSells"))
    assert "offer or react changed what state() returns" in found.note
    assert found.hint == "within a round the world is read-only: change it in after_round only"


def test_what_differs_between_processes_is_found():
    found = result_of(check_named("environment", OTHER_PROCESS), find(f"{FILE}:HashedOrder"))
    assert found.state == "failed"
    assert "observe(user u0, round 1, page 1): in another process with PYTHONHASH" in found.note
    assert "go through a set in order" in found.hint


def test_another_process_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr(other_process, "_LONGEST_S", 0.01)
    found = result_of(check_named("environment", OTHER_PROCESS), find(f"{FILE}:Sound"))
    assert found.state == "failed"
    assert f"{FILE}:Sound did not end within 0.01 s in another process: no message" in found.note
    assert "if it is only slow, check it with smaller settings" in found.hint


def test_a_call_that_does_not_return_is_named(monkeypatch, capsys):
    monkeypatch.setattr(watch, "TOLD_AFTER_S", 0.02)
    result_of(check_named("environment", "values fit"), find(f"{FILE}:Slow"))
    told = capsys.readouterr().err
    assert "environment environments.py:Slow, observe(user u0, round 1, page 1)" in told
    assert "has been running for" in told


def test_one_fault_is_told_once():
    target = find(f"{FILE}:ObserveReturnsNone")
    states = [found.state for found in run_checks(target)]
    assert states[0] == "failed"
    assert set(states[1:]) == {"not made"}


def test_copies_that_leak_together_are_stopped_at_a_gibibyte_and_named(monkeypatch):
    monkeypatch.setattr(check_target, "_MOST_BYTES", 2**27)
    target = find(f"{FILE}:Hoards")
    target.origin = None
    failed = [found for found in run_checks(target) if found.state == "failed"]
    assert len(failed) == 1
    assert re.search(r"Hoards, react\(\): its calls added more than 0.1 GiB", failed[0].note)
    assert "lists that grow with each call" in failed[0].hint


@pytest.mark.parametrize("kept", [0, 2**29])
def test_only_memory_that_the_process_still_holds_is_a_leak(monkeypatch, kept):
    held = 2**30
    monkeypatch.setattr(check_target, "resident_bytes", lambda: held)
    target = find(f"{FILE}:Sound")
    target.resident = held

    def grow(added):
        nonlocal held
        held += added

    def use_copies():
        for _ in range(4):
            watch = CallWatch(target, target.new(0))
            for added in (2**28, 2**29):  # what the first call reads does not count
                watch.call(CallPlace("begin_round", ""), grow, added, handed=())
            grow(kept - 2**28 - 2**29)

    if kept:
        with pytest.raises(
            StarecError, match=r"begin_round\(\): its calls added more than 1.0 GiB"
        ):
            use_copies()
    else:
        use_copies()


def test_a_plugin_that_gets_no_memory_is_explained():
    found = result_of(check_named("environment", "values fit"), find(f"{FILE}:RunsOutOfMemory"))
    assert re.search(r"react\(user u0, round 1, page 1\): raised MemoryError", found.note)
    assert "the process got no more memory" in found.hint
