"""Tokens have their texts where a tokenizer turns the ids into the recorded answer."""

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

import starec_sim
from starec_sim.traces.token_texts import token_texts

SHIPPED = Path(starec_sim.__file__).parent / "policies" / "nano" / "trained" / "tokenizer.json"
ANSWER = "<think>\nA. Čapek: liked = +1\n</think>"


@pytest.fixture(scope="module")
def ids():
    return Tokenizer.from_file(str(SHIPPED)).encode(ANSWER, add_special_tokens=False).ids


def test_texts_make_the_answer_and_a_character_of_several_tokens_is_whole(ids, tmp_path):
    texts = token_texts(tmp_path, "trained@1234", ids, ANSWER)
    assert len(texts) == len(ids)
    assert "".join(text or "" for text in texts) == ANSWER
    assert None in texts  # Č is two tokens


def test_a_version_of_a_training_has_its_own_tokenizer(ids, tmp_path):
    folder = tmp_path / "versions" / "000004"
    folder.mkdir(parents=True)
    assert token_texts(tmp_path, "000004@1234", ids, ANSWER) is None
    shutil.copy(SHIPPED, folder)
    assert token_texts(tmp_path, "000004@1234", ids, ANSWER) is not None


@pytest.mark.parametrize("version", ["", "tiny@1", "../versions@1", "/@1", "000004/../000004@1"])
def test_a_name_on_record_is_no_path(ids, tmp_path, version):
    (tmp_path / "versions" / "000004").mkdir(parents=True)
    shutil.copy(SHIPPED, tmp_path / "versions" / "000004")
    assert token_texts(tmp_path, version, ids, ANSWER) is None


def test_ids_that_are_not_those_of_the_answer_have_no_texts(ids, tmp_path):
    assert token_texts(tmp_path, "trained@1234", ids, "another answer") is None
    assert token_texts(tmp_path, "trained@1234", [*ids, 10**7, 2**40], ANSWER) is None


@pytest.mark.parametrize("change", ["damaged", "expression", "link"])
def test_a_tokenizer_of_somebody_else_is_used_if_it_is_plain_data(ids, tmp_path, change):
    folder = tmp_path / "versions" / "mine"
    folder.mkdir(parents=True)
    file, text = folder / "tokenizer.json", SHIPPED.read_text("utf-8")
    if change == "link":
        file.symlink_to(SHIPPED)
    elif change == "damaged":
        file.write_text(text[:-100], "utf-8")
    else:
        searching = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
        file.write_text(json.dumps({**json.loads(text), "decoder": searching}), "utf-8")
    assert token_texts(tmp_path, "mine@1234", ids, ANSWER) is None
