"""`starec graph` draws the graph of an agent."""

import json
import shutil

import pytest


@pytest.mark.parametrize("name", ["star", "agentcf", "llmrank"])
def test_the_drawing_names_the_nodes_of_the_agent(starec, name):
    status, out, _ = starec("graph", name)
    assert status == 0
    assert out.startswith("---") and "perceive(perceive)" in out
    assert ("slow(slow)" in out) == (name == "star")
    status, same, _ = starec("graph", name, "--mermaid")
    assert same == out


def test_the_edges_as_json_say_which_are_one_of_several_ways(starec):
    _, out, _ = starec("graph", "--json")
    edges = {(start, end): several for start, end, several in json.loads(out)["edges"]}
    assert edges["perceive", "fast"] is False
    assert edges["gate", "slow"] is True
    assert edges["remember", "perceive"] is True


def test_a_picture_without_graphviz_says_what_to_do(starec, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    status, out, err = starec("graph", "star", "--png", tmp_path / "star.png")
    assert status == 2 and not out
    assert "no program `dot`" in err and "hint: install graphviz" in err


def test_an_unknown_agent_is_refused_with_a_near_name(starec):
    status, _, err = starec("graph", "satr")
    assert status == 2
    assert "star" in err
