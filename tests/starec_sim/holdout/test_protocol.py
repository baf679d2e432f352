"""Protocols are read by name or from a file, and checked."""

import pytest

from starec_sim.errors import ConfigError
from starec_sim.holdout import EvaluationProtocol, read_protocol
from starec_sim.holdout.protocol import shipped_protocols


def test_two_protocols_ship_and_the_defaults_are_starec_20() -> None:
    assert shipped_protocols() == ["agentcf-10", "starec-20"]
    assert read_protocol("starec-20") == EvaluationProtocol()
    agentcf = read_protocol("agentcf-10")
    assert (agentcf.candidates, agentcf.draws, agentcf.negatives) == (10, 1, "shipped")


def test_a_file_of_ones_own_is_a_protocol_and_changes_go_before_it(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ncandidates: 5\nat: [1, 5]\nnegatives: popularity\n")
    found = read_protocol(str(path), draws=7)
    assert (found.name, found.candidates, found.negatives, found.draws) == (
        "mine",
        5,
        "popularity",
        7,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("candidate: 5\n", "candidate: there is no such key"),
        ("at: [5, 1]\n", "must ascend"),
        ("at: [1, 50]\n", "after the 20 candidates"),
        ("negatives: hard\n", "negatives"),
        ("- 1\n", "must hold keys"),
        ("a: [\n", "not valid YAML"),
        ("draws: 1\ndraws: 2\n", 'line 2: the key "draws" is there already'),
    ],
)
def test_a_wrong_protocol_is_refused_with_its_key(tmp_path, text, message) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_protocol(str(path))


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match='did you mean "starec-20"'):
        read_protocol("starec20")
