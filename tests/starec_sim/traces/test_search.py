"""Words are found in the texts of a small run, whatever its index is."""

import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import RunError
from starec_sim.runs import search_index
from starec_sim.runs.search_index import INDEX
from starec_sim.traces.search import Query, quoted, search_run, snippet


def find(folder, words, **options):
    return search_run(folder, Query(words, **options))


def places(found):
    return [(hit.at.user, hit.at.round, hit.where, hit.node) for hit in found.hits]


def test_a_word_is_found_in_prompts_answers_and_summaries(write):
    found = find(write("a"), '"answer 1 1"')
    assert places(found) == [("u1", 2, "prompt", "fast"), ("u1", 2, "answer", "fast")]
    found = find(write("b"), '"liked round 1"')
    assert places(found) == [("u0", 2, "summary", "")]
    assert found.hits[0].others == 2


def test_hits_can_be_limited_to_a_user_a_node_and_an_arm(write):
    run = write("a", trials=(("loop", 7), ("frozen", 7)))
    assert {place[0] for place in places(find(run, "answer", user="u2"))} == {"u2"}
    assert find(run, "answer", node="slow").total == 0
    assert {hit.at.arm for hit in find(run, "answer", arm="frozen").hits} == {"frozen"}
    for wrong, named in ({"user": "u9"}, "u9"), ({"arm": "frosen"}, "frozen"), ({"node": "x"}, "x"):
        with pytest.raises(RunError, match=named):
            find(run, "answer", **wrong)


def test_the_index_grows_with_the_run(write):
    run = write("a", rounds=1)
    assert find(run, '"answer 2 1"').total == 0
    (run / "run.sqlite").unlink()
    write("a", rounds=2)
    assert find(run, '"answer 2 1"').total == 2


@pytest.mark.parametrize("damage", ["junk", "cut", "foreign", "other tables", "a link"])
def test_an_index_that_is_damaged_or_foreign_is_built_again(write, tmp_path, damage):
    run, index = write("a"), tmp_path / "a" / INDEX
    before = find(run, '"answer 1 1"')
    if damage == "junk":
        index.write_bytes(b"junk" * 5_000)
    elif damage == "cut":
        index.write_bytes(index.read_bytes()[:9_000])
    elif damage == "foreign":
        other = write("b", rounds=1, trials=(("other", 1),))
        find(other, "answer")
        index.write_bytes((other / INDEX).read_bytes())
    elif damage == "other tables":
        with sqlite3.connect(index) as db:
            db.execute("CREATE TRIGGER t AFTER INSERT ON places BEGIN DELETE FROM about; END")
        db.close()
    else:
        index.unlink()
        (tmp_path / "precious").write_text("precious")
        index.symlink_to(tmp_path / "precious")
    assert find(run, '"answer 1 1"') == before
    assert damage != "a link" or (tmp_path / "precious").read_text() == "precious"


def test_the_index_of_a_read_only_folder_is_kept_in_the_users_caches(write, tmp_path, monkeypatch):
    run = write("a")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    opened = search_index._opened
    monkeypatch.setattr(
        search_index, "_opened", lambda path, r: None if path.parent == run else opened(path, r)
    )
    assert find(run, '"answer 1 1"').total == 2
    assert not (run / INDEX).exists()
    assert len(list((tmp_path / "caches" / "starec-sim").glob("search-*.sqlite"))) == 1


def test_the_search_leaves_the_record_as_it_was(write):
    run = write("a")
    before = (run / "run.sqlite").read_bytes()
    find(run, "answer")
    assert (run / "run.sqlite").read_bytes() == before


@given(st.text())
def test_words_of_a_user_are_never_read_as_an_expression(words):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE words USING fts5(body)")
    if match := quoted(words.replace("\0", "")):
        db.execute("SELECT 1 FROM words WHERE words MATCH ?", (match,)).fetchall()
    db.close()


@given(st.text(), st.text())
def test_a_snippet_is_a_part_of_the_text_on_one_line(text, words):
    parts = "".join(part.text for part in snippet(text, words)).strip("…")
    assert parts in " ".join(text.split()) + " "


def test_a_phrase_and_an_expression_are_found(write):
    run = write("a")
    assert find(run, '"now answer"').total == 6
    assert find(run, '"answer now"').total == 0
    assert find(run, "answ* NOT What", fts=True).total == 6
    with pytest.raises(RunError, match="cannot be read"):
        find(run, "(AND", fts=True)
    with pytest.raises(RunError, match="no word"):
        find(run, "--")


def test_the_command_prints_hits_with_the_command_that_shows_the_step(write, starec):
    run = write("a")
    status, out, _ = starec("search", run, '"answer 1 1"')
    assert status == 0
    assert "u1, round 2, step 1: prompt of fast, main, seed 7" in out
    assert f"starec why {run} u1 2 --step 1 --arm main --seed 7" in out
    status, out, _ = starec("search", run, '"answer 1 1"', "--json")
    assert {"text": "answer", "hit": True} in json.loads(out)["hits"][1]["snippet"]
    assert "**answer**" in starec("search", run, "answer 1 1", "--md")[1]
    assert starec("search", run, "pineapple")[1] == "no text matches pineapple\n"


def test_a_snippet_shows_every_word_also_those_that_stand_far_apart():
    far = f"She liked it. {'x ' * 300}An adventure film. {'y ' * 300}And war."
    parts = snippet(far, "liked adventure war")
    assert [part.text for part in parts if part.hit] == ["liked", "adventure", "war"]
    assert " … " in "".join(part.text for part in parts)
    near = f"liked {'x ' * 300} liked adventure"
    shown = "".join(part.text for part in snippet(near, "liked adventure"))
    assert "liked adventure" in shown and len(shown) < 200
