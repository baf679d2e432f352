"""A run that is compacted reads like one that was recorded with less."""

import shutil
from pathlib import Path

import pytest

from starec_sim import read_run, runner
from starec_sim.errors import RunError
from starec_sim.experiment import Experiment
from starec_sim.runs import compaction
from starec_sim.runs.folder import SUMMARY
from starec_sim.runs.manifest import read_manifest, write_manifest
from starec_sim.runs.reader import Reader, reading
from starec_sim.runs.schema import FILE

WORLD = {"use": "synthetic", "users": 9, "items": 60, "interactions": 15}


def play(folder, record):
    """Play the same run, with another level of its record."""
    return runner.run(
        Experiment(
            name="small",
            runs_dir=folder,
            record=record,
            data=WORLD,
            rounds=2,
            environment={"use": "feed", "recommender": "popularity", "page_size": 4, "pages": 2},
            executor="cohort",
            agent={"use": "star", "gate": {"when": "always"}},
            policies={"fast": "lexical", "slow": "lexical"},
            arms={"popular": {}, "random": {"environment.recommender": "random"}},
        )
    ).folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The same run at every level."""
    return {level: play(tmp_path_factory.mktemp(level), level) for level in compaction.LEVELS}


@pytest.fixture
def whole(recorded, tmp_path):
    return shutil.copytree(recorded["everything"], tmp_path / "whole")


def tables(folder):
    """Everything that readers get of a record, without times."""
    found = {}
    with reading(folder) as reader:
        for table in ("users", "items", "metrics", "rounds", "memories", "worlds"):
            found[table] = reader.db.execute(f"SELECT * FROM {table}").fetchall()
        for trial in reader.trials() if reader.level != "metrics" else ():
            for row, user in reader.users(trial):
                steps = [
                    step._replace(turns=tuple((t.node, t.policy, t.error) for t in step.turns))
                    for step in reader.steps(trial, row)
                ]
                found[trial.number, user.id] = steps
        visits = "SELECT * FROM visits ORDER BY trial, round, user"
        found["visits"] = [
            (*key, compaction.FIGURES.from_json(figures))
            for *key, figures in reader.db.execute(visits)
        ]
    return found


@pytest.mark.parametrize("level", ["decisions", "metrics"])
@pytest.mark.parametrize("begun", ["everything", "decisions"])
def test_a_compacted_run_reads_like_one_that_was_recorded_so(recorded, tmp_path, begun, level):
    if begun == level:
        pytest.skip("nothing is less")
    folder = shutil.copytree(recorded[begun], tmp_path / "run")
    done = compaction.compact(folder, level)
    assert (done.before, done.after) == (begun, level)
    assert tables(folder) == tables(recorded[level])
    assert read_manifest(folder).digest == read_manifest(recorded[level]).digest == done.digest
    assert done.bytes_after == (folder / FILE).stat().st_size < done.bytes_before
    before = {path.name for path in recorded[begun].iterdir()}
    assert {path.name for path in folder.iterdir()} == before - {SUMMARY}
    result = runner.resume(folder)
    assert result.digest == done.digest


def test_the_tables_of_a_compacted_run_are_those_of_the_whole_one(recorded, whole):
    compaction.compact(whole, "decisions")
    before, after = read_run(recorded["everything"]), read_run(whole)
    assert list(after.steps()) == list(before.steps())
    assert list(after.impressions()) == list(before.impressions())


@pytest.mark.parametrize("at", ["rows", "check", "rename"])
def test_whatever_stops_it_the_old_record_stays(recorded, whole, monkeypatch, at):
    before = (whole / FILE).read_bytes()

    def stop(*args):
        raise KeyboardInterrupt

    owner, name = {
        "rows": (compaction, "_write_chunks"),
        "check": (compaction, "_compare"),
        "rename": (Path, "replace"),
    }[at]
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(owner, name, stop)
        compaction.compact(whole, "decisions")
    assert (whole / FILE).read_bytes() == before
    # A process that is killed leaves its folder; the next compaction removes it.
    (whole / ".compacting").mkdir()
    (whole / ".compacting" / FILE).write_bytes(b"half")
    compaction.compact(whole, "decisions")
    assert tables(whole) == tables(recorded["decisions"])


def test_a_record_that_differs_does_not_take_its_place(whole, monkeypatch):
    monkeypatch.setattr(compaction, "_visits", lambda *_: iter(()))
    with pytest.raises(RunError, match=r"was not compacted: `SELECT COUNT\(\*\) FROM steps` gives"):
        compaction.compact(whole, "decisions")
    with reading(whole) as reader:
        assert reader.level == "everything"


def test_a_full_disk_is_named(whole, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RunError, match="No space left on device; its record is as it was"):
        compaction.compact(whole, "decisions")


def test_what_cannot_be_compacted_is_refused(whole):
    manifest = read_manifest(whole)
    for changes, said in (
        ({"kind": "training"}, "is of the kind training"),
        ({"kind": "run", "status": "paused"}, "is paused, and a resume may need"),
    ):
        for name, value in changes.items():
            setattr(manifest, name, value)
        write_manifest(whole, manifest)
        with pytest.raises(RunError, match=said):
            compaction.compact(whole, "decisions")
    manifest.status = "finished"
    write_manifest(whole, manifest)
    compaction.compact(whole, "metrics")
    for level in ("decisions", "metrics"):
        with pytest.raises(RunError, match="keeps `metrics` already"):
            compaction.compact(whole, level)


def test_the_command_asks_before_it_deletes(starec, whole):
    status, _, said = starec("compact", str(whole))
    assert status == 2
    assert "prompts, answers" in said and "nobody could be asked" in said
    with reading(whole) as reader:
        assert reader.level == "everything"
    status, out, said = starec("compact", str(whole), "--to", "metrics", "--yes")
    assert status == 0
    assert "saved" in out and read_manifest(whole).digest in out
    assert "prompts, answers" in said and "all steps" in said
    _, _, said = starec("why", str(whole), "u1", "1")
    assert "needs `record: decisions`" in said, said


def test_a_record_that_is_read_is_left_alone(whole):
    """In WAL mode, what a reader holds open cannot be closed."""
    import sqlite3

    db = sqlite3.connect(whole / FILE, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    reader = Reader(whole)
    reader.db.execute("BEGIN")
    reader.db.execute("SELECT COUNT(*) FROM rounds").fetchone()
    try:
        with pytest.raises(RunError, match="is being read by another process"):
            compaction.compact(whole, "decisions")
    finally:
        reader.close()
        db.close()
    compaction.compact(whole, "decisions")
