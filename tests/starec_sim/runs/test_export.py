"""The exported tables hold what the run recorded."""

import csv
import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from starec_sim.errors import RunError
from starec_sim.runs.export import export_impressions, export_turns
from tests.starec_sim.runs.lives import tokens, turn, visit


def told(text, attempt=0, node="fast", **changed):
    return replace(turn(text, node, attempt), tokens=tokens(**changed))


@pytest.fixture
def run(write, tmp_path):
    """Two users; one needs a repair call, and one answer is from a policy without tokens."""
    writing = write()
    repaired = (told("bad", completion=(9, 8), group="a"), told("good", 1, group="a"))
    thought = (told("page", group="b"), told("hm", node="slow", group="c"), turn("x", attempt=1))
    writing.commit(0, [visit(0, 0, repaired), visit(1, 0, thought)])
    writing.close()
    return tmp_path


def read(file):
    return pq.read_table(file).to_pylist()


def test_a_turn_row_holds_what_the_engine_read_and_wrote(run, tmp_path):
    done = export_turns(run, tmp_path / "turns.parquet")
    assert (done.rows, done.left_out, done.groups) == (4, 1, 3)
    first, *_ = rows = read(done.file)
    assert first["prompt_ids"] == [1, 200, 70_000]
    assert (first["completion_ids"], first["completion_mask"]) == ([9, 8], [1, 1])
    assert first["logprobs"] == list(tokens().logprobs)
    assert [first[name] for name in ("arm", "seed", "round", "user", "step", "node")] == [
        *("main", 7, 0, "u0", 0, "fast")
    ]
    assert first["prompt"][0] == {"role": "system", "content": "You are a person."}
    assert first["completion"] == [{"role": "assistant", "content": "bad"}]
    assert [row["group_id"] for row in rows] == [0, 0, 1, 2]
    assert [row["attempt"] for row in rows] == [0, 1, 0, 0]


def test_a_decision_earns_the_reward_and_a_thought_nothing(run, tmp_path):
    rows = read(export_turns(run, tmp_path / "turns.parquet", reward="engagement").file)
    earned = [(row["node"], row["reward"], row["reward_engagement"]) for row in rows]
    assert earned == [("fast", 0.5, 0.5)] * 3 + [("slow", None, None)]


def test_json_lines_say_the_same_as_parquet(run, tmp_path):
    rows = read(export_turns(run, tmp_path / "turns.parquet").file)
    lines = export_turns(run, tmp_path / "turns.jsonl").file.read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_an_impression_says_what_was_shown_and_what_became_of_it(run, tmp_path):
    done = export_impressions(run, tmp_path / "shown.csv")
    with done.file.open() as file:
        rows = list(csv.DictReader(file))
    assert done.rows == len(rows) == 4
    seen = [(row["user"], row["place"], row["item"], row["watched"], row["lived"]) for row in rows]
    assert seen == [
        ("u0", "1", "i0", "True", "5.0"),
        ("u0", "2", "i1", "False", ""),
        ("u1", "1", "i1", "True", "5.0"),
        ("u1", "2", "i2", "False", ""),
    ]
    assert {row["rank"] for row in rows} == {""}


@pytest.mark.parametrize(
    ("name", "options", "said", "hint"),
    [
        ("turns.csv", {}, "unknown kind", ".jsonl or .parquet"),
        ("turns", {}, "unknown kind", ".jsonl or .parquet"),
        ("gone/turns.jsonl", {}, "cannot be written: No such file", "relative ones start at"),
        ("turns.parquet", {"reward": "engagment"}, 'did you mean "engagement"', "--reward"),
        ("turns.parquet", {"arm": "mian"}, 'did you mean "main"', "--arm"),
        ("turns.parquet", {"seed": 8}, "its seeds so far: 7", "--seed"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(run, name, options, said, hint):
    before = sorted(run.iterdir())
    with pytest.raises(RunError) as raised:
        export_turns(run, run / name, **options)
    assert said in raised.value.message
    assert hint in raised.value.hint
    assert sorted(run.iterdir()) == before


def test_a_run_whose_policies_tell_no_tokens_has_nothing_to_train_on(write, tmp_path):
    writing = write()
    writing.commit(0, [visit(0, 0)])
    writing.close()
    kept = tmp_path / "turns.jsonl"
    kept.write_text("kept")
    with pytest.raises(RunError, match=r"none of the 1 turns .* has its tokens"):
        export_turns(tmp_path, kept)
    assert kept.read_text() == "kept"


def test_a_run_that_has_only_begun_has_shown_nothing(write, tmp_path):
    write()
    with pytest.raises(RunError, match="nothing was shown"):
        export_impressions(tmp_path, tmp_path / "shown.csv")
    assert not (tmp_path / "shown.csv").exists()


def test_only_the_arm_that_was_named_is_exported(write, tmp_path):
    writing = write()
    writing.commit(0, [visit(0, 0, (told("a", version="main's"),))])
    other = type(writing)(tmp_path, trial=1, arm="other")
    other.commit(0, [visit(0, 0, (told("a", version="other's"),))])
    other.close(), writing.close()
    rows = read(export_turns(tmp_path, tmp_path / "turns.parquet", arm="other").file)
    assert [(row["arm"], row["version"]) for row in rows] == [("other", "other's")]
