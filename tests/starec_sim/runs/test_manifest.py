import json
import os
import tarfile
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from starec_sim.errors import PausedError, RunError
from starec_sim.runs.manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    ending_noted,
    new_manifest,
    read_manifest,
    write_manifest,
)
from tests.starec_sim.runs.conftest import a_manifest

OLD_RUNS = Path(__file__).parents[2] / "golden" / "runs_of_0_1_0.tar.xz"


def stored(path):
    return json.loads((path / MANIFEST).read_text())


def change(path, **values):
    (path / MANIFEST).write_text(json.dumps(stored(path) | values))


def test_what_is_written_is_read(make):
    path = make("a", arms=["ü", "b"])
    assert read_manifest(path).arms == ["ü", "b"]


@pytest.mark.parametrize(
    "text", ["", "{", '{"name": "a", "stat', "[]", "3", "{}", "\xff", json.dumps({"name": "a"})]
)
def test_a_damaged_one_is_an_error_that_says_how_to_go_on(make, text):
    path = make("a")
    (path / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match="is damaged") as raised:
        read_manifest(path)
    assert "starec run" in raised.value.hint


def test_a_missing_one_is_an_error(tmp_path):
    with pytest.raises(RunError, match="is damaged: No such file"):
        read_manifest(tmp_path)


@pytest.mark.slow
def test_a_reader_never_sees_half_of_it(make):
    path = make("a", problem="x" * 100_000)
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append(len(read_manifest(path).problem))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        write_manifest(path, a_manifest(problem="y" * (100_000 + number)))
    stop.set()
    reader.join()
    assert min(seen) >= 100_000
    assert [file.name for file in path.iterdir()] == [MANIFEST]


def test_a_write_that_fails_leaves_the_old_one(make, monkeypatch):
    path = make("a")
    monkeypatch.setattr(os, "fsync", lambda fd: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_manifest(path, a_manifest(status="failed"))
    assert read_manifest(path).status == "finished"


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "asleep"), ("seeds", 3), ("kind", "party"), ("counts", {"rounds": "many"})],
)
def test_a_field_with_a_wrong_value_is_named_with_its_file(make, field, value):
    path = make("a")
    change(path, **{field: value})
    with pytest.raises(RunError, match=rf"manifest\.json is damaged: {field}.*got") as raised:
        read_manifest(path)
    assert "\n" not in raised.value.message


def test_all_fields_that_are_missing_are_named(make):
    path = make("a")
    (path / MANIFEST).write_text(json.dumps({"kind": "run", "name": "a", "arms": []}))
    with pytest.raises(RunError, match="it lacks status, started, seeds, config_sha256"):
        read_manifest(path)


def test_fields_of_a_later_version_of_the_same_schema_are_kept(make):
    path = make("a")
    change(path, weather="rain")
    write_manifest(path, read_manifest(path))
    assert stored(path)["weather"] == "rain"


def test_a_newer_schema_is_refused_with_the_version_that_wrote_it(make):
    path = make("a", versions={"starec-sim": "9.9.9"})
    change(path, schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(RunError, match=f"has schema_version {SCHEMA_VERSION + 1}") as raised:
        read_manifest(path)
    assert raised.value.hint == "open it with the newer version that wrote it (9.9.9)"


@pytest.mark.parametrize("version", ["2", 0, True, 2.5, None])
def test_a_schema_version_that_is_no_number_is_damage(make, version):
    path = make("a")
    change(path, schema_version=version)
    with pytest.raises(RunError, match="schema_version: must be a whole number"):
        read_manifest(path)


def test_manifests_of_0_1_0_get_their_kind_when_they_are_read(tmp_path):
    with tarfile.open(OLD_RUNS) as archive:
        archive.extractall(tmp_path, filter="data")
    found = {path.name: read_manifest(path) for path in tmp_path.iterdir()}
    assert {name: manifest.kind for name, manifest in found.items()} == {
        "finished": "run",
        "paused": "run",
        "trained": "training",
        "evaluated": "evaluation",
    }
    for name, manifest in found.items():
        before = stored(tmp_path / name)
        added = {"kind": manifest.kind, "schema_version": SCHEMA_VERSION}
        assert "schema_version" not in before
        assert manifest.as_json() == {"prompts": {}, "settings_sha256": {}} | before | added, (
            "nothing else changes"
        )
    assert found["paused"].go_on == "--budget calls=80"
    assert found["trained"].version == "fx/trained-s7-20261129-154614/versions/000001"


def test_a_new_manifest_says_what_it_was_made_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = new_manifest("run", "loop", [3, 4], "name: loop\n", arms=["a"], budget={"calls": 40})
    assert (manifest.kind, manifest.status, manifest.seeds) == ("run", "running", [3, 4])
    assert manifest.folder == str(tmp_path)
    assert len(manifest.config_sha256) == 64
    assert manifest.versions["starec-sim"]
    write_manifest(tmp_path, manifest)
    assert stored(tmp_path)["budget"] == {"calls": 40}
    assert stored(tmp_path)["schema_version"] == SCHEMA_VERSION
    assert "digest" not in stored(tmp_path), "fields without a value are not written"
    manifest.status = "finished"
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_a_wrong_value_is_refused_when_it_is_set():
    manifest = a_manifest()
    with pytest.raises(ValidationError, match="status"):
        manifest.status = "asleep"


@pytest.mark.parametrize(
    ("error", "status", "problem"),
    [
        (KeyboardInterrupt(), "paused", None),
        (PausedError("spent", options="--budget calls=2"), "paused", "spent"),
        (ZeroDivisionError("by zero"), "failed", "ZeroDivisionError: by zero"),
    ],
)
def test_the_error_that_ends_a_run_is_noted_and_cleared_when_it_runs_again(error, status, problem):
    manifest = a_manifest(status="running")
    with pytest.raises(type(error)), ending_noted(manifest):
        raise error
    assert (manifest.status, manifest.problem) == (status, problem)
    assert manifest.go_on == ("--budget calls=2" if problem == "spent" else None)
    manifest.run_again()
    assert (manifest.status, manifest.problem, manifest.go_on) == ("running", None, None)


def test_a_finished_run_says_when():
    manifest = a_manifest(status="running")
    manifest.finish()
    assert manifest.status == "finished" and manifest.finished >= "2026"
