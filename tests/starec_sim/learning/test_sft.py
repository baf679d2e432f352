"""A teacher's answers are screened, asked for again with their flaw, and imitated."""

import sys

import pytest

from starec_agents.star import StarAgent
from starec_environments.datasets.synthetic import Synthetic
from starec_environments.ranking import RankingEnvironment
from starec_sim.answers import expected_answer
from starec_sim.errors import DataError, RunError
from starec_sim.learning.config import Sft
from starec_sim.learning.rewards import outcome_of
from starec_sim.learning.sft import Sample, read_samples, row_of, training_rows
from starec_sim.learning.teacher import (
    ScreeningCounts,
    TeacherCollector,
    load_samples,
    none_passed,
    save_samples,
)
from starec_sim.new_plugin import write_new_plugin
from starec_sim.plugin_files import import_file
from starec_sim.policies.engine.chat_format import ChatFormat
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.policies.reasoner import ReasonerPolicy
from starec_sim.rng import Streams
from tests.rounds import play_rounds, simulate
from tests.turn_store import Turns

from .conftest import BYTES, make_tokenizer
from .held_policy import HeldPolicy
from .random_policy import RandomPolicy

USERS = 8


def taught(model, **settings):
    """Let a teacher play one round of a few users; return samples, counts and turns."""
    dataset = Synthetic(Synthetic.Config(users=12, items=150, interactions=30)).load()
    environment = RankingEnvironment(RankingEnvironment.Config(choices=2), dataset, Streams(3))
    star = StarAgent(StarAgent.Config(gate={"when": "always"}))
    sft = Sft(**{"keywords": (), **settings})
    teacher, turns = TeacherCollector(star, sft), Turns()
    policy = Policy("teacher", model)
    gateway = Gateway({"fast": policy, "slow": policy}, Streams(3), turns)

    play_rounds(
        simulate(
            environment, teacher, gateway, choose_visitors=lambda round, visitors: range(USERS)
        ),
        1,
    )
    samples, counts = teacher.take()
    return samples, {(node, what): count for node, what, count in counts.rows()}, turns


def test_what_passes_is_kept_with_the_question_as_it_was_asked():
    samples, counts, turns = taught(RandomPolicy())
    assert counts == {
        ("fast", "asked"): USERS,
        ("fast", "kept at once"): USERS,
        ("slow", "asked"): USERS,
        ("slow", "kept at once"): USERS,
    }
    asked = {(turn.messages, turn.completion) for turn in turns.values()}
    assert all((sample.messages, sample.answer) in asked for sample in samples)


def test_an_unreadable_answer_is_asked_for_again_with_its_flaw():
    samples, counts, turns = taught(RandomPolicy(broken=0.5), nodes=["fast"], rethink=8)
    assert counts["fast", "asked"] == USERS
    assert counts["fast", "kept after rethinking"] > 0
    assert len(samples) == USERS - counts.get(("fast", "rejected: form"), 0)
    again = [turn for key, turn in turns.items() if key.attempt >= 200]
    assert all("exactly one <ranking>" in turn.messages[-1][1] for turn in again)
    # No sample shows that the teacher needed a second try.
    assert all(len(sample.messages) == 2 for sample in samples)


def test_a_teacher_is_held_to_the_form_of_its_answer_when_it_is_asked_again_too():
    HeldPolicy.asked.clear()
    taught(HeldPolicy(), min_ndcg=1.0, rethink=2)
    again = [expected for messages, expected in HeldPolicy.asked if len(messages) == 4]
    assert again and {expected.parts for expected in again} == {("think", "ranking")}
    for messages, expected in HeldPolicy.asked:
        # What is read from a prompt is what the agent expects.
        assert expected == expected_answer(messages, "tags", expected.task)


def test_a_poor_ranking_is_asked_for_again_with_its_rank_and_without_the_true_item():
    samples, counts, turns = taught(RandomPolicy(), nodes=["fast"], min_ndcg=1.0, rethink=1)
    kept = counts.get(("fast", "kept at once"), 0) + counts.get(
        ("fast", "kept after rethinking"), 0
    )
    assert len(samples) == kept
    assert counts["fast", "rejected: low NDCG"] == USERS - kept > 0
    again = [turn.messages[-1][1] for a, turn in turns.items() if a.attempt >= 200]
    assert again and all("stood at rank" in text for text in again)


def test_a_summary_without_a_polarity_is_rejected():
    _, counts, _ = taught(RandomPolicy(), nodes=["slow"], keywords=["adored"], rethink=0)
    assert counts["slow", "rejected: no polarity"] == USERS


def test_only_the_answer_is_imitated_and_each_of_its_tokens_alike():
    tokenizer = make_tokenizer(BYTES)
    chat = ChatFormat(tokenizer, "tiny", (), {})
    samples = [
        Sample("fast", (("system", "Rank."), ("user", "A or B?")), "A > B"),
        Sample("fast", (("user", "C?"),), "C"),
    ]
    first, second = training_rows(samples, chat)
    assert tokenizer.decode(first.row.prompt) == (
        "<|start|>system\nRank.<|end|>\n<|start|>user\nA or B?<|end|>\n<|start|>assistant\n"
    )
    assert tokenizer.decode(first.row.completion) == "A > B<|end|>"
    assert {*first.weight, *second.weight} == {1 / (len("A > B") + len("C") + 2)}


def test_a_sample_has_the_ids_that_the_local_policy_reads(model_folder):
    from starec_sim.policies.local import LocalPolicy

    policy = LocalPolicy(model=model_folder(), max_tokens=1)
    reply = policy.invoke([("system", "Rank."), ("user", "A or B?")])
    sample = Sample("fast", (("system", "Rank."), ("user", "A or B?")), "A")
    chat = ChatFormat(make_tokenizer(), "tiny", (), {})
    assert row_of(sample, chat).prompt == reply.response_metadata["tokens"].prompt
    policy.close()


def test_samples_come_from_a_file_and_a_line_that_is_none_is_named(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_text('{"messages": [["user", "A?"]], "answer": "A"}\n')
    assert read_samples(path) == [Sample("fast", (("user", "A?"),), "A")]
    path.write_text('{"messages": [["user", "A?"]], "answer": "A"}\n{"answer": "B"}\n')
    with pytest.raises(DataError, match="line 2 is not a sample: KeyError 'messages'"):
        read_samples(path)
    path.write_text("")
    with pytest.raises(DataError, match="holds no samples"):
        read_samples(path)


def test_samples_are_read_back_from_disk_and_damage_is_named(tmp_path):
    samples, _, _ = taught(RandomPolicy())
    path = tmp_path / "000.json"
    counts = ScreeningCounts()
    counts.add("fast", "asked")
    save_samples(path, samples, counts)
    found, counted = load_samples(path)
    assert found == samples and counted.rows() == [("fast", "asked", 1)]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match="is damaged"):
        load_samples(path)


def test_a_teacher_plays_actions_that_an_environment_declares(tmp_path, monkeypatch):
    """What `starec new` writes: all answers pass, and its own reward can be counted for each."""
    samples, counts, visits = taught_in_a_tea_house(tmp_path, monkeypatch, ReasonerPolicy())
    assert counts.rows() == [("fast", "asked", 12), ("fast", "kept at once", 12)]
    assert all("one line for each label" in sample.messages[0][1] for sample in samples)
    write_new_plugin("reward", "thrift", tmp_path)
    reward = import_file(tmp_path / "thrift.py").thrift
    worth = [reward(outcome_of(visit.steps[0])) for visit in visits]
    assert -1.0 not in worth and len(set(worth)) > 1


def test_a_teacher_who_gives_no_reasons_is_said_to_give_none(tmp_path, monkeypatch):
    """`lexical` has none before its users have lived through anything."""
    samples, counts, _ = taught_in_a_tea_house(tmp_path, monkeypatch, LexicalPolicy())
    assert not samples
    error = none_passed(counts)
    assert "12 fast rejected: no reasoning" in error.message
    assert "train.sft.teacher=reasoner" in error.hint


def taught_in_a_tea_house(tmp_path, monkeypatch, model):
    """Let a teacher play one round of an environment that `starec new` writes."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    write_new_plugin("environment", "tea-house", tmp_path)
    house = import_file(tmp_path / "tea_house.py").TeaHouse
    environment = house(house.Config(people=12), None, Streams(3))
    star = StarAgent(StarAgent.Config(gate={"when": "never"}))
    teacher, policy = TeacherCollector(star, Sft(nodes=("fast",))), Policy("teacher", model)
    gateway = Gateway({"fast": policy, "slow": policy}, Streams(3), Turns())
    (visits,) = play_rounds(simulate(environment, teacher, gateway), 1)
    return *teacher.take(), visits
