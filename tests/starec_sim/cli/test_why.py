import re

import pytest

from starec_sim.runs.reader import reading


@pytest.fixture(scope="session")
def visited(finished):
    """(user, round) of a visit to the feed with at least two steps."""
    with reading(finished["feed"]) as reader:
        trial = reader.trial(None, None)
        for row, user in reader.users(trial):
            for round, step in reader.step_keys(trial, row):
                if step:
                    return user.id, str(round + 1)
    raise AssertionError("nobody saw a second page")


def test_one_page_tells_a_step_from_memory_to_reward(starec, finished, visited):
    said = starec("why", finished["feed"], *visited, "--step", 2)
    assert said.status == 0
    titles = re.findall(r"── (.*?) ──", said.out)
    assert titles[:4] == [
        "what she remembered",
        "what she was shown: page 2",
        "what she thought",
        "what it earned",
    ]
    for part in ("score", "truth", "expected", "lived", "gate", "engagement", "before: starec why"):
        assert part in said.out
    assert "<think>" not in said.out
    assert (
        "feed: system" not in said.out
        and "fast: system" in starec("why", finished["feed"], *visited, "--prompts").out
    )


def test_the_command_before_leads_to_the_step_before(starec, finished, visited):
    said = starec("why", finished["feed"], *visited, "--step", 2, "--json").answer
    assert (said["at"]["round"], said["at"]["step"]) == (int(visited[1]), 2)
    assert said["previous"] == {**said["at"], "step": 1}
    assert [place["position"] for place in said["slate"]] == [1, 2, 3, 4]
    assert said["groups"] == []


def test_markdown_has_a_table_for_the_slate(starec, finished, visited):
    said = starec("why", finished["ranking"], "u1", 1, "--md").out
    assert said.startswith("# u1, round 1, step 1")
    assert "|  | item | title | attributes | truth | rank | chosen in the data | lived |" in said
    assert "```diff" in said and "Gate: thought again" in said


def test_text_and_markdown_of_a_feed_say_what_was_gained_and_how_the_visit_goes_on(
    starec, finished, visited
):
    for form in ([], ["--md"]):
        said = starec("why", finished["feed"], *visited, *form).out
        assert "She stayed. The visit goes on." in said
        assert "chosen in the data" not in said and "after" in said
        assert "starec why" in said and "--step 2" in said
        last = starec("why", finished["feed"], *visited, "--step", 2, *form).out
        assert "The visit ends." in last
    assert "| attributes |" in starec("why", finished["feed"], *visited, "--md").out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["u99", 1], 'no user of this trial has the id "u99"'),
        (["u1", 9], "u1 did not visit in round 9; the rounds of her visits: 1"),
        (["u1", 1, "--step", 5], "has no step 5; its steps are 1 to 1"),
        (["u1", 1, "--arm", "loop"], 'no arm "loop" has begun'),
        (["u1", "first"], "Invalid value for 'ROUND'"),
    ],
)
def test_what_is_not_there_is_named(starec, finished, arguments, error):
    said = starec("why", finished["ranking"], *arguments)
    assert said.status == 2
    assert error in said.err


def test_a_run_ends_with_a_command_for_the_browser_and_one_that_explains_a_step(starec, here):
    said = starec("run", "feed.yaml")
    assert re.search(r"starec view \S+ +# all of it in the browser", said.err + said.out)
    (command,) = re.findall(r"starec (why \S+ \S+ \d+) ", said.err + said.out)
    assert starec(*command.split()).status == 0
