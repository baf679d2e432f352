from pathlib import Path

import pytest

from starec_sim.runs.manifest import Manifest, write_manifest
from tests.starec_sim.runs.lives import Writing


@pytest.fixture
def write(tmp_path):
    opened = []

    def write(folder=None, **options):
        opened.append(Writing(folder or tmp_path, **options))
        return opened[-1]

    yield write
    for writing in opened:
        writing.close()


@pytest.fixture
def make(tmp_path):
    """Make the folder of a run with a manifest and no other file."""

    def make(name, **values) -> Path:
        path = tmp_path / name
        path.mkdir()
        write_manifest(path, a_manifest(**values))
        return path

    return make


def a_manifest(**values) -> Manifest:
    usual = {
        "kind": "run",
        "name": "a",
        "status": "finished",
        "started": "2026-01-01T00:00:00",
        "seeds": [0],
        "arms": ["main"],
        "config_sha256": "",
    }
    return Manifest.model_validate(usual | values)
