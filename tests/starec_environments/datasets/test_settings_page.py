"""The table of settings in docs/reading-data.md names the readers that have each setting."""

import re
from pathlib import Path

from starec_sim.plugins import load, registered

PAGE = Path(__file__).parents[3] / "docs" / "reading-data.md"


def readers() -> dict[str, set[str]]:
    """Return the settings of each reader of files."""
    names = [name for name in registered("datasets") if name != "synthetic"]
    return {name: set(load("datasets", name).Config.model_fields) for name in names}


def named(cell: str, known: set[str]) -> set[str]:
    """Return the readers that a cell of the table names."""
    listed, _, but = cell.partition(" but ")
    if listed == "all":
        return known - named(but, known)
    parts = set(listed.split(", ")) - {""}
    films = {name for name in known if name.startswith("movielens-")}
    return parts - {"movielens"} | (films if "movielens" in parts else set())


def test_the_table_of_settings_names_the_readers_that_have_them() -> None:
    section = PAGE.read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", section, re.MULTILINE)
    have = readers()
    assert len(rows) > 10
    for keys, cell in rows:
        for key in re.findall(r"`(\w+)`", keys):
            assert named(cell, set(have)) == {name for name in have if key in have[name]}, key


def test_bad_lines_can_be_skipped_in_every_reader() -> None:
    assert all("bad_lines" in settings for settings in readers().values())
