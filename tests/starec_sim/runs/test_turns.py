"""Turns with tokens are read back exactly as they are stored."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.runs.ledger import read_ledger
from starec_sim.runs.reader import Reader
from starec_sim.runs.turns import dump_tokens, load_tokens
from starec_sim.types import CallKey, Tokens
from tests.starec_sim.runs.lives import tokens, turn, visit

IDS = st.lists(st.integers(0, 2**31 - 1)).map(tuple)
SINGLE = st.floats(max_value=0, width=32, allow_nan=False)


def told(text="a", attempt=0, **changed):
    return replace(turn(text, attempt=attempt), tokens=tokens(**changed))


@given(IDS, st.lists(st.tuples(st.integers(0, 2**31 - 1), SINGLE)), st.text(), st.text())
def test_tokens_come_back_to_the_bit(prompt, sampled, version, group):
    completion = tuple(token for token, _ in sampled)
    logprobs = tuple(logprob for _, logprob in sampled)
    sampling = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 64, "seed": 2**31 - 1}
    before = Tokens(prompt, completion, logprobs, version, sampling, group)
    after = load_tokens(dump_tokens(before))
    assert after == before
    assert {type(token) for token in (*after.prompt, *after.completion)} <= {int}


def test_ids_take_less_room_than_they_would_as_numbers():
    prompt = tuple(np.random.default_rng(0).integers(0, 32_000, 200).tolist()) * 4
    assert len(dump_tokens(tokens(prompt=prompt))[3]) < 4 * len(prompt) / 3


def test_the_reader_finds_the_tokens_of_each_turn(write, tmp_path):
    repaired = (told("bad", completion=(9, 8)), told("good", attempt=1))
    write().commit(0, [visit(0, 0, repaired), visit(1, 0)])
    with closing(Reader(tmp_path)) as reader:
        trial = reader.trial(None, None)
        (with_tokens,), (without,) = (list(reader.steps(trial, user)) for user in (0, 1))
    assert with_tokens.turns == repaired
    assert [turn.tokens for turn in without.turns] == [None]


def test_a_resumed_run_finds_the_tokens_of_answers_that_were_committed(write):
    first = write()
    first.answer(visit(0, 0, (told(),)))
    first.recorder.flush()
    first.close()
    assert write().recorder.find(CallKey(0, 0, 0, "fast", 0)) == told()


def test_tokens_are_not_kept_in_memory_until_their_round_ends(write):
    writing = write()
    (step,) = writing.recorder.take(visit(0, 0, (told(),))).steps
    assert step.turns[0].tokens is None


@pytest.mark.parametrize(
    ("changed", "covered"),
    [
        ({"completion": (5, 6)}, True),
        ({"prompt": (1, 200)}, True),
        ({"logprobs": (-0.25, -0.25)}, False),
        ({"version": "the same weights, elsewhere"}, False),
    ],
)
def test_the_digest_covers_the_ids_and_not_their_probabilities(write, tmp_path, changed, covered):
    def digest(name, answer):
        (tmp_path / name).mkdir()
        return write(tmp_path / name).commit(0, [visit(0, 0, (answer,))])

    assert (digest("one", told()) != digest("other", told(**changed))) == covered
    assert digest("none", turn("a")) != digest("one more", told())


def test_an_ending_comes_back_and_is_no_part_of_the_digest(write, tmp_path):
    digests = []
    for number, ending in enumerate(("length", "")):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = replace(turn("cut"), ending=ending)
        digests.append(write(folder).commit(0, [visit(0, 0, (said,))]))
        with closing(Reader(folder)) as reader:
            (step,) = reader.steps(reader.trial(None, None), 0)
        assert step.turns == (said,)
    assert digests[0] == digests[1]


def test_a_record_without_endings_is_read_and_written_further(write, tmp_path):
    first = write()
    first.commit(0, [visit(0, 0)])
    first.close()
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as db:
        db.execute("ALTER TABLE turns DROP COLUMN ending")
    with closing(Reader(tmp_path)) as reader:
        (step,) = reader.steps(reader.trial(None, None), 0)
        assert read_ledger(reader.db).failures == ()
    assert [turn.ending for turn in step.turns] == [""]
    write().commit(1, [visit(0, 1, (replace(turn("cut"), ending="length", error="cut"),))])
    with closing(Reader(tmp_path)) as reader:
        assert [failure.cause for failure in read_ledger(reader.db).failures] == ["length"]
