"""Candidate lists are read back as they are written; lists that do not fit are refused."""

import json

import pytest

from starec_sim.errors import DataError
from starec_sim.holdout import EvaluationProtocol, HoldOut
from starec_sim.holdout.candidate_files import read_candidates, write_candidates

PROTOCOL = EvaluationProtocol(candidates=5, at=(1, 5), draws=2, history=3)


@pytest.fixture
def file(log, tmp_path):
    path = tmp_path / "candidates.jsonl"
    write_candidates(HoldOut(PROTOCOL, log, 1).listed(), path)
    return path


def changed(path, change, row=1):
    """Change one user's line of a file of lists."""
    lines = path.read_text().splitlines()
    values = json.loads(lines[row])
    change(values)
    lines[row] = json.dumps(values)
    path.write_text("\n".join(lines) + "\n")
    return read_candidates(path)


def test_lists_that_are_written_and_read_again_give_the_same_hold_out_whatever_the_seed(log, file):
    original, imported = (
        HoldOut(PROTOCOL, log, 1),
        HoldOut(PROTOCOL, log, 99, read_candidates(file)),
    )
    assert (
        original.candidate_lists == imported.candidate_lists
    ).all() and original.digest == imported.digest
    assert HoldOut(PROTOCOL, log, 99).digest != original.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(answer="i59"), 'say that the answer of user u0 is "i59"'),
        (
            lambda v: v["draws"].__setitem__(
                0, [item for item in map("i{}".format, range(20)) if item != v["answer"]][:5]
            ),
            'lack the answer "i.*" in draw 1 of user u0',
        ),
        (lambda v: v["draws"][1].pop(), r"have 4 items \(4 different\) in draw 2 of user u0"),
        (
            lambda v: v["draws"][0].__setitem__(0, v["draws"][0][1]),
            r"have 5 items \(4 different\) in draw 1",
        ),
        (lambda v: v["draws"].pop(), "hold 1 draws of user u0, not 2"),
        (lambda v: v.update(user="stranger"), "lack 1 of 12 users, the first is u0"),
    ],
)
def test_lists_that_do_not_fit_are_refused_with_the_user(log, file, change, message) -> None:
    with pytest.raises(DataError, match=message):
        HoldOut(PROTOCOL, log, 1, changed(file, change))


def test_a_list_with_something_from_the_users_past_is_refused(log, file) -> None:
    past = log.log.items[log.log.users == 0][0]

    def put(values):
        place = 0 if values["draws"][0][0] != values["answer"] else 1
        values["draws"][0][place] = f"i{past}"

    with pytest.raises(DataError, match=f'offer "i{past}" in draw 1 of user u0, which she has'):
        HoldOut(PROTOCOL, log, 1, changed(file, put))


def test_an_item_that_the_data_lacks_is_refused(log, file) -> None:
    def put(values):
        values["draws"][0][0 if values["draws"][0][0] != values["answer"] else 1] = "i999"

    with pytest.raises(DataError, match='name the item "i999" in draw 1 of user u0'):
        HoldOut(PROTOCOL, log, 1, changed(file, put))


@pytest.mark.parametrize(
    "text", ['{"user": "u0"}', "not json", '{"user": "u0", "answer": "i1", "draws": 3}', "[1]"]
)
def test_a_line_that_is_no_list_is_named(file, text) -> None:
    file.write_text(file.read_text() + text + "\n")
    with pytest.raises(DataError, match="line 14 is no user's candidate lists"):
        read_candidates(file)


def test_a_user_who_stands_there_twice_is_refused(file) -> None:
    file.write_text(file.read_text() + file.read_text().splitlines()[1] + "\n")
    with pytest.raises(DataError, match='the user "u0" is there already'):
        read_candidates(file)


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_candidates(tmp_path / "nothing.jsonl")
