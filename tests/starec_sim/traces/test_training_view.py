import shutil
from dataclasses import replace

import pytest

from starec_sim.errors import ConfigError, RunError
from starec_sim.learning.advantages import Objective
from starec_sim.learning.checkpoints import CheckpointStore, RoundRollouts
from starec_sim.learning.grpo import make_batch
from starec_sim.learning.rows import Rollout, TokenRow
from starec_sim.runs.reader import reading
from starec_sim.runs.store import Store
from starec_sim.runs.turns import insert_turn
from starec_sim.traces.step_page import read_step
from starec_sim.traces.training_view import read_group, read_training
from starec_sim.types import CallKey, Tokens, Turn

REWARDS = (1.0, 0.0, 0.0, 1.0)


def rollout(group, number, reward, node="fast"):
    ids = (10 + number, 7)
    row = TokenRow((1, 2, 3), ids, (True, True), (-0.5, -0.25))
    return Rollout(group, node, (row,), reward, "v", 1.0, {"ndcg": reward}, {}, ())


@pytest.fixture(scope="module")
def training(ranking, tmp_path_factory):
    """A run of rankings with the rollouts of a training: those of its first and second step."""
    folder = shutil.copytree(ranking, tmp_path_factory.mktemp("training") / "run")
    store = CheckpointStore(folder)
    decision = [rollout("0/0/2/0/fast", n, reward) for n, reward in enumerate(REWARDS)]
    equal = [rollout("0/0/3/0/fast", n, 0.5) for n in range(3)]
    store.save_rollouts(0, RoundRollouts([*decision, *equal], {}))
    summaries = [rollout("0/0/2/0/slow", n, reward, "slow") for n, reward in enumerate((0.2, 0.4))]
    store.save_rollouts(1, RoundRollouts(summaries, {}))
    record = Store(folder)
    with record.transaction():
        for number in (1, 2, 3):
            tokens = Tokens((1, 2, 3), (10 + number, 7), (-0.5, -0.25), "v", {})
            attempt, text = 100 + number, f"answer {number}"
            turn = Turn("fast", attempt, "nano", (), text, 3, 2, 0.1, tokens=tokens)
            insert_turn(record, 0, CallKey(0, 2, 0, "fast", attempt), turn)
    record.close()
    return folder


def page(folder, row=2, round=1):
    with reading(folder) as reader:
        trial = reader.trial(None, None)
        return read_step(reader, trial, reader.user_at(trial, row), round)


def test_a_step_names_the_groups_of_its_decision_and_of_its_summary(training):
    found = page(training)
    assert (found.group.step, found.group.group) == (1, "0/0/2/0/fast")
    assert (found.summary_group.step, found.summary_group.group) == (2, "0/0/2/0/slow")
    assert found.reward_weights == {"tier": 1.0}
    assert [turn.attempt for turn in found.turns] == [0, 0]
    assert page(training, row=4).group is None
    assert page(training, round=2).group is None


def test_advantages_are_those_that_the_step_of_grpo_learns_from(training):
    with reading(training) as reader:
        group = read_group(training, reader, 1, "0/0/2/0/fast")
    learned = make_batch([rollout("g", n, reward) for n, reward in enumerate(REWARDS)], Objective())
    assert [m.advantage for m in group.members] == [row.advantage[0] for row in learned.rows]
    assert [member.reward for member in group.members] == list(REWARDS)
    assert (group.mean, group.std, group.zero_variance) == (0.5, 0.5, False)


def test_members_have_their_answers_and_tokens(training):
    with reading(training) as reader:
        group = read_group(training, reader, 1, "0/0/2/0/fast")
    assert [member.text for member in group.members] == [
        None,  # the lexical policy has no tokens
        *("answer 1", "answer 2", "answer 3"),
    ]
    assert [(t.id, t.logprob) for t in group.members[1].tokens_colored] == [(11, -0.5), (7, -0.25)]
    assert group.at == page(training).at


def test_a_group_of_equal_rewards_is_flagged(training):
    with reading(training) as reader:
        found = read_training(training, reader, 1)
        assert {row.group: row.zero_variance for row in found.groups} == {
            "0/0/2/0/fast": False,
            "0/0/3/0/fast": True,
        }
        assert found.groups[0].at == page(training).at
        equal = read_group(training, reader, 1, "0/0/3/0/fast")
        assert equal.zero_variance and {member.advantage for member in equal.members} == {0.0}
        assert read_training(training, reader).step == 2


def test_the_list_and_the_page_agree_on_what_a_group_teaches(training, tmp_path):
    """With credit by position, answers of equal reward may have earned it at other ranks."""
    folder = shutil.copytree(training, tmp_path / "run")
    by_rank = [replace(rollout("g", n, 0.5), returns=(0.5, n / 4)) for n in range(2)]
    alone = [rollout("alone", 0, 0.5)]
    CheckpointStore(folder).save_rollouts(0, RoundRollouts([*by_rank, *alone], {}))
    with reading(folder) as reader:
        for credit, equal in ("position", False), ("rollout", True):
            config = f"train: {{grpo: {{objective: {{credit: {credit}}}}}}}\n"
            (folder / "config.yaml").write_text(config)
            listed = {
                row.group: row.zero_variance for row in read_training(folder, reader, 1).groups
            }
            pages = {name: read_group(folder, reader, 1, name).zero_variance for name in listed}
            assert listed == pages == {"g": equal, "alone": True}
            assert make_batch(by_rank, Objective(credit=credit)).equal == equal


def test_a_step_or_group_that_is_not_there_is_named(training):
    with reading(training) as reader:
        with pytest.raises(RunError, match=r"step 9 of run has no rollouts; .*: 1 to 2"):
            read_training(training, reader, 9)
        with pytest.raises(RunError, match='step 1 of run has no group "0/0/9"'):
            read_group(training, reader, 1, "0/0/9")


def test_damaged_rollouts_are_named(training, tmp_path):
    folder = shutil.copytree(training, tmp_path / "damaged")
    (folder / "rollouts" / "000000.json.z").write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"rollouts .* are damaged"):
        page(folder)


def test_a_step_says_what_the_training_learned_from_her_group(starec, training, tmp_path):
    folder, told = shutil.copytree(training, tmp_path / "run"), {}
    for name, config in ("grpo", "train: {}"), ("dpo", "train: {dpo: {pairs: 1}}"):
        (folder / "config.yaml").write_text(config + "\n")
        at = (folder, page(folder).at.user, 1)
        told[name] = [starec("why", *at, *form)[1] for form in ([], ["--md"])]
    for said in told["grpo"]:
        assert "advantage" in said and "+1.000" in said and "margin" not in said
    for said in told["dpo"]:
        assert "1: chosen, margin 1.000" in said and "1: rejected, margin 1.000" in said
        assert "in none" in said and "advantage" not in said


def test_a_group_of_dpo_has_pairs_of_answers(training, tmp_path):
    folder = shutil.copytree(training, tmp_path / "run")
    with reading(folder) as reader:
        assert read_group(folder, reader, 1, "0/0/2/0/fast").pairs is None
        (folder / "config.yaml").write_text("train: {dpo: {pairs: 2}}\n")
        pairs = read_group(folder, reader, 1, "0/0/2/0/fast").pairs
        assert [(p.chosen, p.rejected, p.margin) for p in pairs] == [(1, 3, 1.0), (4, 2, 1.0)]
        members = read_group(folder, reader, 1, "0/0/2/0/fast").members
        assert {member.advantage for member in members} == {None}
        assert read_group(folder, reader, 1, "0/0/3/0/fast").pairs == ()
        (folder / "config.yaml").write_text("train: {dpo: {pairs: none}}\n")
        with pytest.raises(ConfigError, match=r"train\.dpo"):
            read_group(folder, reader, 1, "0/0/2/0/fast")
