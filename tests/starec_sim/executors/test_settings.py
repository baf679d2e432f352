"""Settings of an executor that change nothing are told, and are no error."""

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
        ({"use": "ray", "workers": 64, "gpus": 1}, []),
    ],
)
def test_what_changes_nothing_is_told(values, notes):
    found = ExecutorSettings(**values).notes(2)
    assert len(found) == len(notes)
    assert all(part in note for part, note in zip(notes, found, strict=True))
