"""The agent recalls, beside its latest experiences, older ones that the slate reminds it of."""

import pytest

from starec_agents.star import StarAgent
from starec_sim.errors import ConfigError
from starec_sim.types import Experience, Memory

RANKED = "<ranking>A > B > C > D</ranking>"
# Her, Jaws, Up, Cube, Jaws; the slate shows Alien (horror), Up, Heat and Cube (horror).
LIVED = Memory(tuple(Experience(item, 4.0, "world") for item in (4, 5, 1, 3, 5)))


def history(policy):
    text = policy.asked[0][1][1]
    lines = text.partition("<history>\n")[2].partition("\n</history>")[0].splitlines()
    return [line.split('"')[1] for line in lines]


def shown(play, tiny_world, scripted, **settings):
    fast = scripted(RANKED)
    play(tiny_world("ranking"), fast, fast, LIVED, gate={"when": "never"}, **settings)
    return history(fast)


def test_what_the_slate_reminds_of_stands_before_the_latest(play, tiny_world, scripted):
    seen = shown(play, tiny_world, scripted, history_shown=1, recall={"top": 2})
    assert seen == ["Up", "Cube", "Jaws"]


def test_without_recall_only_the_latest_are_shown(play, tiny_world, scripted):
    assert shown(play, tiny_world, scripted, history_shown=1) == ["Jaws"]


@pytest.mark.parametrize("latest", [5, 40])
def test_nothing_is_shown_twice(play, tiny_world, scripted, latest):
    seen = shown(play, tiny_world, scripted, history_shown=latest, recall={"top": 9})
    assert seen == ["Her", "Jaws", "Up", "Cube", "Jaws"]


def test_a_recall_that_cannot_be_is_refused_before_anything_starts():
    with pytest.raises(ConfigError, match="nothing-like-this"):
        StarAgent(
            StarAgent.Config(recall={"use": "sentence-transformers", "model": "/nothing-like-this"})
        )
