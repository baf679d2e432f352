"""`starec show` of a training compares the same users before and after learning."""

import json

import pytest

from starec_sim.cli.training_view import most_changed, show_training
from starec_sim.learning.trials import FIRST_VALIDATION_TRIAL, validation_arm
from starec_sim.runs.manifest import new_manifest, write_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.store import Store


def record(db, number, arm, values):
    """Write a trial of one round: the NDCG@10 of each user."""
    db.execute("INSERT INTO trials VALUES (?, ?, 0, '{}', '')", (number, arm))
    db.execute("INSERT INTO rounds VALUES (?, 0, '')", (number,))
    for row, (user, value) in enumerate(values.items()):
        db.execute("INSERT INTO users VALUES (?, ?, ?, '{}')", (number, row, user))
        metrics = json.dumps({"ndcg@10": value})
        db.execute("INSERT INTO visits VALUES (?, 0, ?, ?)", (number, row, metrics))
    mean = sum(values.values()) / len(values)
    db.execute("INSERT INTO metrics VALUES (?, 0, 'ndcg@10', ?)", (number, mean))


@pytest.fixture
def training(tmp_path):
    """Return a function that records episodes and validations, NDCG@10 by user."""

    def training(*validations):
        write_manifest(tmp_path, new_manifest("training", "t", [0]))
        store = Store(tmp_path)
        with store.transaction():
            record(store.db, 0, "episode 1", {"cy": 0.9, "di": 0.1})
            for step, values in validations:
                number = FIRST_VALIDATION_TRIAL + step
                record(store.db, number, validation_arm(step), values)
        store.close()
        return tmp_path

    return training


def shown(folder, capsys):
    with reading(folder) as reader:
        show_training(folder, reader, explain=False, as_json=False)
    return " ".join(capsys.readouterr().out.split())


def test_the_first_and_the_last_validation_are_compared_and_no_episode(training, capsys):
    before, after = {"ann": 0.2, "bob": 0.5}, {"ann": 0.8, "bob": 0.5}
    said = shown(training((0, before), (2, {"ann": 0, "bob": 0}), (4, after)), capsys)
    assert "Against 0 steps, same users" in said and " 2 steps" not in said
    assert "NDCG@10 +0.300" in said and "cy" not in said
    assert "For whom learning changed most (NDCG@10 before and after): ann 0.200 0.800" in said
    assert "--user ann --arm 'validation after 0 steps'" in said
    assert "--user ann --arm 'validation after 4 steps'" in said


def test_a_training_without_a_validation_says_that_nothing_is_compared(training, capsys):
    said = shown(training(), capsys)
    assert "No validation is recorded." in said and "Against" not in said


def test_a_training_that_changed_nobody_says_so(training, capsys):
    same = {"ann": 0.2, "bob": 0.5}
    said = shown(training((0, same), (1, same)), capsys)
    assert "Learning changed the result of no validated user." in said and "equal" in said


def test_as_json_has_the_users_and_the_arms_as_recorded(training):
    folder = training((0, {"ann": 0.2}), (1, {"ann": 0.4}))
    with reading(folder) as reader:
        answer = show_training(folder, reader, explain=False, as_json=True)
        assert most_changed(reader, reader.trials()[:1]) == []
    assert answer["changed"] == [{"user": "ann", "metric": "ndcg@10", "before": 0.2, "after": 0.4}]
    assert list(answer["metrics"]) == [validation_arm(0), validation_arm(1)]
