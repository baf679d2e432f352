"""Settings of an executor that change nothing are told, and are no error."""

from pathlib import Path

import pytest

from starec_sim.executors.settings import ExecutorSettings


@pytest.mark.parametrize(
    ("values", "notes"),
    [
        ({}, []),
        ({"use": "cohort", "size": 8}, []),
        ({"use": "cohort", "workers": 3}, ["executor.workers: 3 is not used"]),
        ({"size": 8}, ["executor.size: 8 is not used by executor: per_user"]),
        ({"use": "processes", "workers": 2, "inside": "cohort", "size": 8}, []),
        ({"use": "processes", "workers": 2, "size": 8}, ["executor.size: 8 is not used"]),
        (
            {"use": "processes", "address": "local", "gpus": 1},
            ["executor.address", "executor.gpus"],
        ),
        ({"use": "processes", "workers": 3}, ["3 processes share the 2 cores"]),
        (
            {"inside": "cohort"},
            ["executor.inside: cohort is not used by executor: per_user, but by p"],
        ),
        ({"use": "processes", "address": "auto"}, []),
        ({"use": "ray", "workers": 64, "gpus": 1}, []),
    ],
)
def test_what_changes_nothing_is_told(values, notes):
    found = ExecutorSettings(**values).notes(2)
    assert len(found) == len(notes)
    assert all(part in note for part, note in zip(notes, found, strict=True))


def test_every_key_has_a_note_of_its_own():
    page = Path("docs/configuration.md").read_text()
    assert all(f"| `{name}` |" in page for name in ExecutorSettings.model_fields)
