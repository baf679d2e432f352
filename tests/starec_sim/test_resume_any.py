"""A run of any kind is resumed by the kind that its manifest says."""

import json
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from starec_sim import AuditSettings, audit
from starec_sim.errors import RunError
from starec_sim.resume_any import resume

ARCHIVE = Path(__file__).parents[1] / "golden" / "runs_of_0_1_0.tar.xz"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs of three kinds, as if this version had made them."""
    place = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place / "runs", filter="data")
    for path in place.glob("runs/*/manifest.json"):
        values = json.loads(path.read_text().replace("FOLDER", str(place)))
        values["versions"]["starec-sim"] = version("starec-sim")
        path.write_text(json.dumps(values))
    return place / "runs"


@pytest.mark.parametrize(
    ("name", "result"),
    [("finished", "RunResult"), ("evaluated", "Table"), ("trained", "TrainResult")],
)
def test_each_kind_is_dispatched_by_its_manifest(runs, name, result):
    assert type(resume(runs / name)).__name__ == result


def test_the_result_of_a_finished_run_needs_no_folder_it_was_started_in(runs):
    synthetic = {"use": "synthetic", "users": 12, "items": 120, "interactions": 20}
    settings = AuditSettings(
        policy={"use": "lexical"}, data=synthetic, users=2, only=("position",), runs_dir=runs
    )
    audited, _ = audit(settings)
    for name in ("finished", "evaluated", "trained", audited.name):
        place = runs / name / "manifest.json"
        values = json.loads(place.read_text())
        place.write_text(json.dumps({**values, "folder": str(runs / "gone")}))
        resume(runs / name)
    result = resume(runs / "trained")
    assert result.version == runs / "trained" / "versions" / "000001"
    assert result.steps


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError):
        resume(tmp_path)
