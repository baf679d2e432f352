"""The same question at two versions of a training, beside each other."""

from dataclasses import replace

import pytest

from starec_sim.errors import RunError
from starec_sim.learning.trials import FIRST_VALIDATION_TRIAL, validation_arm
from starec_sim.runs.reader import reading
from starec_sim.tasks import RANKING
from starec_sim.traces import answer_changes
from starec_sim.traces.answer_changes import read_answer_changes
from starec_sim.traces.values import as_json
from starec_sim.types import Decision, Experience, Feedback, Observation
from starec_sim.viewer.answers import finite
from tests.starec_sim.runs import lives
from tests.starec_sim.viewer.test_api import TYPES
from tests.starec_sim.viewer.typescript import interfaces, problems

FIRST, LAST = FIRST_VALIDATION_TRIAL, FIRST_VALIDATION_TRIAL + 4
PLACES = {FIRST: (1, 1, 1), LAST: (1, 3, 2)}
"""By validation: the rank that each of the three users gives to the item that is hers."""


def ranked(number, user, round, other=False):
    """Return a visit in which a user ranks three items; hers is the first that is shown."""
    (step,) = lives.visit(user, round, turns=(lives.turn("<ranking>A > B > C</ranking>"),)).steps
    shown = (user, user + 1, user + 2) if not other else (user, user + 1, user + 3)
    place = PLACES[number][user] - 1
    ranking = (*shown[1 : place + 1], user, *shown[place + 1 :])
    step = replace(
        step,
        observation=Observation(RANKING, shown, ("card",) * 3),
        decision=Decision(ranking=ranking, read=3),
        feedback=Feedback(
            (Experience(user, 4.0, "logged"),), target=user, reward={"ndcg": 1.0 / (place + 1)}
        ),
    )
    return lives.Visit(user, round, (step,))


@pytest.fixture
def training(tmp_path):
    def training(rewards="{ndcg: 1.0, format: 0.2}", numbers=(FIRST, LAST), other=()):
        (tmp_path / "config.yaml").write_text(f"train: {{grpo: {{rewards: {rewards}}}}}\n")
        for number in numbers:
            writing = lives.Writing(tmp_path, number, validation_arm(number - FIRST))
            for round in range(2):
                changed = number == LAST and round in other
                visits = [ranked(number, user, round, changed) for user in range(3)]
                writing.commit(round, visits)
            writing.close()
        return tmp_path

    return training


def changes(folder, **asked):
    with reading(folder) as reader:
        return read_answer_changes(folder, reader, **asked)


def test_a_question_has_both_answers_and_what_changed_most_comes_first(training):
    found = changes(training())
    assert [(row.user, row.round) for row in found.rows[:3]] == [("u1", 1), ("u1", 2), ("u2", 1)]
    worst = found.rows[0]
    assert (worst.before.answer, worst.after.answer) == ("Title 1", "Title 2")
    assert (worst.before.rank, worst.after.rank) == (1, 3)
    assert (worst.before.reward, worst.after.reward) == pytest.approx((1.2, 1 / 3 + 0.2))
    assert worst.change == pytest.approx(1 / 3 - 1)
    assert found.rows[-1].change == 0.0
    assert (worst.before.at.arm, worst.after.at.arm) == found.validations
    assert (len(found.rows), found.more, found.other_slates) == (6, False, 0)


def test_a_user_and_the_versions_can_be_named(training):
    found = changes(training(), before=validation_arm(4), after=validation_arm(0), user="u2")
    assert [row.user for row in found.rows] == ["u2", "u2"]
    assert found.rows[0].change == pytest.approx(0.5)


def test_steps_with_other_items_are_left_out_and_counted(training):
    found = changes(training(other=(1,)))
    assert {row.round for row in found.rows} == {1}
    assert found.other_slates == 3


def test_many_questions_are_cut_after_a_user_and_the_answer_says_so(training, monkeypatch):
    monkeypatch.setattr(answer_changes, "MAX_QUESTIONS", 3)
    found = changes(training())
    assert {row.user for row in found.rows} == {"u0", "u1"} and found.more


def test_a_reward_that_is_code_is_not_run(training, tmp_path):
    (tmp_path / "own.py").write_text("raise SystemExit('it ran')\n")
    found = changes(training(rewards="{'own.py:reward': 1.0}"))
    assert [(row.before.reward, row.change) for row in found.rows] == [(None, None)] * 6


def test_one_validation_has_nothing_to_be_compared_with(training):
    assert changes(training(numbers=(FIRST,))) is None


def test_a_validation_that_is_not_there_is_named(training):
    with pytest.raises(RunError, match='no validation "validation after 5 steps"; did you mean'):
        changes(training(), after=validation_arm(5))


def test_the_pages_know_its_form(training):
    types = interfaces(TYPES.read_text())
    found = finite(as_json(changes(training())))
    assert problems(found, types["AnswerChanges"], types) == []
