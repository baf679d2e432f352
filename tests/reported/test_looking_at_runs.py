"""Messages of commands that look at runs."""

from pathlib import Path

import pytest

from starec_sim.errors import ConfigError
from starec_sim.traces.scan_rules import read_rules
from starec_sim.visible_text import counted


def test_a_file_of_rules_with_a_near_name_is_suggested_with_its_folder(tmp_path, monkeypatch):
    (tmp_path / "rules.yaml").write_text("rules: []")
    with pytest.raises(ConfigError) as raised:
        read_rules(tmp_path / "rule.yaml")
    assert raised.value.hint == f'did you mean "{tmp_path}/rules.yaml"?'
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r'did you mean "rules\.yaml"'):
        read_rules(Path("rule.yaml"))


def test_one_thing_is_told_in_the_singular():
    assert (counted(1, "rule"), counted(0, "rule")) == ("1 rule", "0 rules")
