"""`starec graph` draws the graph of an agent."""

import shutil

import pytest


@pytest.mark.parametrize("name", ["star", "agentcf", "llmrank"])
def test_the_drawing_names_the_nodes_of_the_agent(starec, name):
    said = starec("graph", name)
    out = said.out
    assert said.status == 0
    assert out.startswith("---") and "perceive(perceive)" in out
    assert ("slow(slow)" in out) == (name == "star")
    assert starec("graph", name, "--mermaid").out == out


def test_the_edges_as_json_say_which_are_one_of_several_ways(starec):
    answer = starec("graph", "--json").answer
    edges = {(start, end): several for start, end, several in answer["edges"]}
    assert edges["perceive", "fast"] is False
    assert edges["gate", "slow"] is True
    assert edges["remember", "perceive"] is True


def test_a_picture_without_graphviz_says_what_to_do(starec, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    said = starec("graph", "star", "--png", tmp_path / "star.png")
    assert said.status == 2 and not said.out
    assert "no program `dot`" in said.err and "hint: install graphviz" in said.err


def test_an_unknown_agent_is_refused_with_a_near_name(starec):
    said = starec("graph", "satr")
    assert said.status == 2
    assert "star" in said.err


def test_a_run_instead_of_an_agent_is_named_as_such(starec, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    assert "is a run, and the graph is that of an agent" in starec("graph", tmp_path).err
