"""Templates are files that a folder of one's own may replace; a repair quotes what was wrong."""

import pytest

from starec_agents.base.prompting import MAX_ERRORS, MAX_QUOTED_ANSWER
from starec_agents.star.prompting import NAMES, StarPrompts
from starec_sim.errors import ConfigError


def shipped():
    return StarPrompts.read(None, 10, 180)


# --- repairs --------------------------------------------------------------------------------------


def test_a_repair_quotes_the_answer_and_the_error_after_the_question():
    question = (("system", "s"), ("user", "u"))
    messages = shipped().repair(question, "A then B", "there must be exactly one <ranking>")
    assert messages[:2] == question
    assert messages[2] == ("assistant", "A then B")
    assert messages[3][0] == "user"
    assert "there must be exactly one <ranking>" in messages[3][1]


def test_of_a_long_answer_a_repair_quotes_the_end_where_the_answer_stands():
    *_, (_, answer), (_, request) = shipped().repair((), "x" * 9_000 + "<ranking>A", "e" * 9_000)
    assert answer.endswith("x<ranking>A")
    assert len(answer) <= MAX_QUOTED_ANSWER + 1
    assert request.count("e" * MAX_ERRORS) == 1
    assert "e" * (MAX_ERRORS + 1) not in request


@pytest.mark.parametrize("answer", ["", " \n"])
def test_a_repair_never_sends_a_message_without_text(answer):
    assert shipped().repair((), answer, "error")[0] == ("assistant", "(nothing)")


# --- templates of one's own -----------------------------------------------------------------------


def test_a_folder_replaces_the_templates_it_holds_and_no_others(tmp_path):
    text = shipped().texts["ranking"].replace("Rank all", "Sort all")
    (tmp_path / "ranking.md").write_text(text, "utf-8")
    (tmp_path / "README.md").write_text("why", "utf-8")
    prompts = StarPrompts.read(tmp_path, 10, 180)
    assert "Sort all $count candidates." in prompts.texts["ranking"]
    assert [name for name in NAMES if prompts.texts[name] != shipped().texts[name]] == ["ranking"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *(("ranking", "$candidates"), ("feed", "$page"), ("reflect", "$feedback")),
        *(("repair", "$errors"), ("ranking", "=== user ===\n")),
    ],
)
def test_a_template_that_lacks_a_part_is_refused_by_name(tmp_path, name, part):
    (tmp_path / f"{name}.md").write_text(shipped().texts[name].replace(part, ""), "utf-8")
    with pytest.raises(ConfigError) as refused:
        StarPrompts.read(tmp_path, 10, 180)
    assert part.strip() in refused.value.message
    assert f"{name}.md" in refused.value.message


def test_a_template_with_a_part_that_nothing_fills_is_refused_with_the_nearest_name(tmp_path):
    text = shipped().texts["repair"] + " $error $$5"
    (tmp_path / "repair.md").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"names \$error, which nothing fills") as refused:
        StarPrompts.read(tmp_path, 10, 180)
    assert '"errors"' in refused.value.hint


def test_a_file_that_would_replace_nothing_is_refused_with_the_nearest_name(tmp_path):
    (tmp_path / "rankings.md").write_text("x", "utf-8")
    with pytest.raises(ConfigError, match='no prompt is called "rankings"') as refused:
        StarPrompts.read(tmp_path, 10, 180)
    assert '"ranking"' in refused.value.hint


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no folder"):
        StarPrompts.read(tmp_path / "gone", 10, 180)


def test_a_template_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "ranking.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        StarPrompts.read(tmp_path, 10, 180)
