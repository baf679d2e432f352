"""A fork keeps the first rounds of a run, and plays the later ones with something changed."""

import json
import shutil

import numpy as np
import pytest

from starec_sim import RunEvents, StarecError, fork, read_run, resume, run
from starec_sim.errors import ConfigError, PausedError, RunError
from starec_sim.reopen import reopen
from starec_sim.runs import queries
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.traces.step_page import read_step
from tests import forked
from tests.small_feed import ROUNDS, digests, small_feed

TO_POPULARITY = "environment.recommender.use=popularity"


def experiment(folder, **changes):
    return small_feed(folder, "original", 5, **changes)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return run(experiment(tmp_path_factory.mktemp("original"))).folder


@pytest.fixture(scope="module")
def changed(original):
    return fork(original, 2, [TO_POPULARITY])


@pytest.fixture
def alone(original, tmp_path):
    """The recorded run in a folder of its own, so that a fork is the only other run there."""
    return shutil.copytree(original, tmp_path / original.name)


def test_a_new_run_is_written_where_runs_dir_says(alone, tmp_path, starec):
    place, before = tmp_path / "elsewhere", set(tmp_path.iterdir())
    for command in (["replay", alone], ["fork", alone, "--at-round", 2, "--set", TO_POPULARITY]):
        status, out, err = starec(*command, "--runs-dir", place, "--json")
        assert status == 0, err
        assert json.loads(out)["run"].startswith(str(place))
    assert set(tmp_path.iterdir()) == before | {place}


def new_run(alone):
    (folder,) = set(alone.parent.iterdir()) - {alone}
    return folder


def test_the_first_rounds_are_those_of_the_run_and_ask_no_model(original, changed):
    assert digests(changed.run.folder)[:2] == digests(original)[:2]
    assert digests(changed.run.folder)[2] != digests(original)[2]
    with reading(changed.run.folder) as reader:
        trial = reader.trial("main", 3)
        sources = [
            {turn.source for turn in reader.round_turns(trial, n).values()} for n in range(ROUNDS)
        ]
    assert sources == [{"replay"}] * 2 + [{"model"}] * 3


def test_a_fork_is_the_run_with_the_change_in_its_schedule(changed, tmp_path):
    schedule = [{"round": 3, "set": {"environment.recommender.use": "popularity"}}]
    assert run(experiment(tmp_path, schedule=schedule)).digest == changed.run.digest


def test_the_manifest_names_run_digest_and_round(original, changed):
    of = read_manifest(changed.run.folder).fork_of
    assert (of.run, of.round) == (original.name, 2)
    assert of.digest == read_manifest(original).digest


def test_the_effect_is_the_paired_difference_of_the_rounds_after(original, changed):
    (found,) = changed.effects.values()
    effect = next(m for m in found.metrics if m.metric == "click_through")
    means = []
    for folder in (original, changed.run.folder):
        with reading(folder) as reader:
            of_users = queries.user_means(reader.db, [0], range(2, ROUNDS))["click_through"]
        means.append(dict(of_users))
    both = sorted(means[0].keys() & means[1].keys())
    differences = [means[1][user] - means[0][user] for user in both]
    assert effect.users == len(both)
    assert effect.difference == pytest.approx(np.mean(differences))
    assert effect.low < effect.difference < effect.high
    assert found.first_difference.at.round == 3
    answer = json.loads(json.dumps(changed.as_json()))["effects"]["main"]
    assert answer["rounds"] == [3, 5]


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_fork_that_is_killed_is_resumed_to_the_same_digest(alone, changed, rounds):
    class Kill(RunEvents):
        def round_finished(self, round, metrics):
            if round + 1 == rounds:
                forked.kill_self()

    child = forked.fork(lambda: fork(alone, 2, [TO_POPULARITY], events=Kill()))
    assert forked.wait(child) == -9
    assert len(digests(new_run(alone))) == rounds
    assert resume(new_run(alone)).digest == changed.run.digest


def test_a_fork_may_be_longer_than_the_run(alone):
    found = fork(alone, 4, [TO_POPULARITY, "rounds=7"])
    assert len(digests(found.run.folder)) == 7
    assert (found.effects["main"].rounds, found.effects["main"].last_rounds) == (5, 1)


def test_a_fork_of_the_last_round_has_nothing_to_compare(alone, starec):
    status, out, _ = starec("fork", alone, "--at-round", 5, "--set", TO_POPULARITY, "--set",
                            "rounds=6")  # fmt: skip
    assert not status
    assert "has 5 rounds, and none after those that the fork keeps" in out


def test_a_run_that_was_stopped_can_be_forked(tmp_path):
    class Stop(RunEvents):
        def round_finished(self, round, metrics):
            if round == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment(tmp_path), Stop())
    (folder,) = tmp_path.iterdir()
    with pytest.raises(RunError, match='arm "main" with seed 3 has rounds 1 to 3'):
        fork(folder, 4, [TO_POPULARITY])
    found = fork(folder, 2, [TO_POPULARITY])
    assert (found.effects["main"].rounds, found.effects["main"].last_rounds) == (3, 1)


def test_one_arm_or_all_are_forked(tmp_path):
    arms = {"popular": {"environment.recommender": "popularity"}, "loop": {}}
    folder = run(experiment(tmp_path, arms=arms, rounds=3)).folder
    with pytest.raises(ConfigError, match="changes nothing"):
        fork(folder, 1, ["environment.recommender=popularity"])
    found = fork(folder, 1, ["environment.recommender=popularity"], arm="loop")
    assert list(found.effects) == ["loop"]
    assert list(fork(folder, 2, ["environment.pages=1"]).effects) == ["popular", "loop"]


def test_a_fork_can_be_forked_and_its_change_stays(changed):
    again = fork(changed.run.folder, 3, ["environment.pages=1"])
    assert digests(again.run.folder)[:3] == digests(changed.run.folder)[:3]
    schedule = read_run(again.run.folder).configuration["schedule"]
    assert [entry["round"] for entry in schedule] == [3, 4]
    assert read_manifest(again.run.folder).fork_of.run == changed.run.folder.name


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ([TO_POPULARITY], "N from 1 to 4; --set rounds=10 plays more rounds, so that it can be 5"),
        ([TO_POPULARITY, "rounds=9"], "N from 1 to 5"),
    ],
)
def test_the_hint_names_rounds_that_a_fork_can_have(alone, changes, hint):
    with pytest.raises(RunError, match="round 12 is not on record") as raised:
        fork(alone, 12, changes)
    assert hint in raised.value.hint and ("plays more" in hint) == (
        "plays more" in raised.value.hint
    )


@pytest.mark.parametrize(
    ("at_round", "changes", "message"),
    [
        (0, [TO_POPULARITY], "round 0 is not on record"),
        (-1, [TO_POPULARITY], "round -1 is not on record"),
        (6, [TO_POPULARITY, "rounds=9"], "round 6 is not on record"),
        (5, [TO_POPULARITY], "the fork has 5 rounds, so none comes after round 5"),
        (2, [], "nothing is changed"),
        (2, ["rounds=7"], "nothing is changed"),
        (2, ["environment.pages=2"], "changes nothing: environment.pages had this value"),
        (2, ["seed=4"], "--set seed: this key cannot change"),
        (2, ["data.users=4"], "--set data.users: this key cannot change"),
        (2, ["environment.page_sise=4"], "--set environment.page_sise: there is no such key; did"),
        (2, ["environment.pages=two"], "--set environment.pages: must be a valid integer"),
        (2, ["environment.users=4"], "has other users"),
        (2, ["environment=feedd"], '--set environment.use: no environment is called "feedd"'),
        (2, ["environment.pages"], "is not KEY=VALUE"),
        (2, ["memory.nobody=likes war"], 'memory: there is no user "nobody"'),
        (2, ["memory.u1="], "--set memory.u1: must have at least 1 character"),
        (2, ["rounds=many", TO_POPULARITY], "rounds: must be a valid integer"),
    ],
)
def test_bad_input_is_named_and_leaves_no_folder(alone, at_round, changes, message):
    with pytest.raises(StarecError) as raised:
        fork(alone, at_round, changes)
    assert message in raised.value.message
    assert "schedule." not in raised.value.message
    assert list(alone.parent.iterdir()) == [alone]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            "bost,items=[i1]",
            '--event use: FeedEnvironment has no event "bost"; did you',
        ),
        ("boost", "--event: name items by their ids"),
        ("boost,item=i1", "--event item: there is no such key"),
    ],
)
def test_a_wrong_event_is_named(alone, event, message):
    with pytest.raises(ConfigError) as raised:
        fork(alone, 2, (), scheduled=[event])
    assert message in raised.value.message


def test_a_record_of_another_version_is_named(alone):
    path = alone / "manifest.json"
    values = json.loads(path.read_text())
    values["versions"]["starec-sim"] = "0.0.1"
    path.write_text(json.dumps(values))
    with pytest.raises(RunError, match=r"began with starec-sim 0\.0\.1"):
        fork(alone, 2, [TO_POPULARITY])


def test_a_folder_without_record_and_other_kinds_are_named(alone):
    path = alone / "manifest.json"
    kept = path.read_text()
    path.write_text(json.dumps({**json.loads(kept), "kind": "training"}))
    with pytest.raises(RunError, match="is a training; only runs can be forked"):
        fork(alone, 2, [TO_POPULARITY])
    path.write_text(kept)
    (alone / "run.sqlite").unlink()
    with pytest.raises(RunError, match=r"run\.sqlite"):
        fork(alone, 2, [TO_POPULARITY])


def test_other_data_than_the_run_had_is_found(alone):
    """The record says another digest than the replayed rounds have."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(alone / "run.sqlite")) as db, db:
        db.execute("UPDATE rounds SET digest = 'f' || substr(digest, 2) WHERE round = 1")
    with pytest.raises((RunError, PausedError), match="rounds 1 to 2 of arm"):
        fork(alone, 2, [TO_POPULARITY])


TEXT = "I like this: [paper boats] = 1."


@pytest.fixture(scope="module")
def edited(original):
    return fork(original, 2, [f"memory.u2={TEXT}"]).run.folder


def first_step(reader, user, round):
    """Return the first step of a user's first visit from a round on, from 0."""
    trial = reader.trial("main", 3)
    row, _ = reader.user(trial, user)
    return next(step for step in reader.steps(trial, row) if step.round >= round)


def test_a_memory_is_replaced_in_the_next_prompt_of_its_user_alone(original, edited):
    assert digests(edited)[:2] == digests(original)[:2]
    asked = {}
    with reading(edited) as reader:
        for user in ("u1", "u2", "u3"):
            turn = first_step(reader, user, 2).turns[0]
            asked[user] = TEXT in turn.messages[-1][1]
    assert asked == {"u1": False, "u2": True, "u3": False}


def test_readers_know_the_edited_memory(edited):
    with reading(edited) as reader:
        trial = reader.trial("main", 3)
        step = first_step(reader, "u2", 2)
        page = read_step(reader, trial, "u2", step.round + 1)
        before = read_step(reader, trial, "u2", 2)
    assert page.memory_before.summary == TEXT
    assert page.memory_before.edited and not before.memory_before.edited
    assert page.memory_before.steps > 0
    assert before.memory_before.summary != TEXT
    with_row = reopen(edited, step.round)
    row = next(n for n, user in enumerate(with_row.environment.users) if user.id == "u2")
    assert with_row.memory(row).summary == TEXT


def test_what_the_schedule_wrote_is_told_apart_from_what_her_step_wrote(starec, edited):
    with reading(edited) as reader:
        step = first_step(reader, "u2", 2)
    at = ["--round", step.round + 1]
    _, said, _ = starec("show", edited, "--user", "u2", *at, "--prompts")
    said_of, _, hers = said.partition("fast: system")
    assert "set by the schedule" in said_of and f"+ {TEXT}" in said_of
    assert f"+ {TEXT}" not in hers
    _, answer, _ = starec("show", edited, "--user", "u2", "--json")
    found = {each["round"]: each for each in json.loads(answer)["steps"] if each["step"] == 1}
    assert found[step.round + 1]["summary_before"] == TEXT
    assert [n for n, each in found.items() if each["set_by_schedule"]] == [step.round + 1]
    for form in ([], ["--md"]):
        assert "set by the schedule" in starec("why", edited, "u2", step.round + 1, *form)[1]


def test_an_edited_memory_outlasts_a_resume_before_its_user_visits(alone, tmp_path):
    """In round 3 nobody visits, and the fork is stopped after it."""

    class Stop(RunEvents):
        def round_finished(self, round, metrics):
            if round == 2:
                raise KeyboardInterrupt

    nobody = "environment.activity=0.01"
    again = [f"memory.u2={TEXT}", nobody]
    whole = fork(alone, 2, again)
    shutil.rmtree(whole.run.folder)
    with pytest.raises(KeyboardInterrupt):
        fork(alone, 2, again, events=Stop())
    folder = new_run(alone)
    with reading(folder) as reader:
        assert TEXT in {m.summary for _, m in queries.memories(reader.db, 0)}
    assert resume(folder).digest == whole.run.digest


def test_the_command_prints_the_effect_as_a_table_and_as_json(alone, starec):
    command = ["fork", alone, "--at-round", 3, "--set", TO_POPULARITY]
    status, out, _ = starec(*command)
    assert not status
    assert f"Arm main: A is {alone.name}, B is this fork" in out
    assert "Means over rounds 4 to 5. B against A" in out
    status, out, _ = starec(*command, "--json")
    assert not status
    assert json.loads(out)["effects"]["main"]["rounds"] == [4, 5]
