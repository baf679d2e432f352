"""Commands on runs that were recorded with `record: decisions` or `metrics`."""

import errno
import re
import shutil
import sqlite3
from typing import get_args

import pytest

from starec_sim import runner
from starec_sim.cli import run_result
from starec_sim.errors import ConfigError, RunError
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.experiment import Experiment, PolicySpecs, read_experiment
from starec_sim.runs import compaction
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.chunk_views import NOT_RECORDED
from starec_sim.runs.reader import reading
from starec_sim.runs.record_errors import readable_errors
from starec_sim.settings import validate
from starec_sim.traces.overview import read_overview


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the folders of one tiny run, recorded at each level."""
    folders = {}
    for level in ("everything", "decisions", "metrics"):
        experiment = Experiment(
            name=level,
            rounds=1,
            runs_dir=tmp_path_factory.mktemp(level),
            record=level,
            data={"use": "synthetic", "users": 4, "items": 40, "interactions": 12},
            environment={"use": "feed", "recommender": "popularity", "activity": 1.0, "pages": 1},
            policies=PolicySpecs(fast={"use": "lexical"}, slow={"use": "lexical"}),
        )
        folders[level] = runner.run(experiment)
    return folders


def test_all_levels_give_the_digest_of_the_run(runs):
    assert len({result.digest for result in runs.values()}) == 1


DECISIONS = (
    ("why", "u1", "1"),
    ("show", "--user", "u1"),
    ("search", "drama"),
    ("scan",),
    ("diff",),
    ("export", "--impressions", "shown.csv"),
)
EVERYTHING = (
    ("replay",),
    ("fork", "--at-round", "1", "--set", "agent.gate.when=never"),
    ("export", "--turns", "turns.jsonl"),
    ("export", "--to", "otel", "--out", "spans.jsonl"),
)


@pytest.mark.parametrize(
    ("command", "level", "needed"),
    [(command, "metrics", "decisions") for command in DECISIONS]
    + [(command, "decisions", "everything") for command in EVERYTHING],
)
def test_a_command_names_the_level_that_it_needs(runs, starec, tmp_path, command, level, needed):
    folder = runs[level].folder
    name, *rest = [str(tmp_path / word) if "." in word[-6:] else word for word in command]
    if command[-1].startswith("agent."):
        rest[-1] = command[-1]
    others = [str(runs["everything"].folder)] if name == "diff" else []
    failed = starec(name, folder, *others, *rest)
    assert failed.status == 2
    said = " ".join(failed.err.split())
    assert f"recorded with `record: {level}`" in said
    assert f"needs `record: {needed}`" in said
    assert f"--set record={needed}" in said


def test_a_run_with_decisions_shows_a_step_and_says_what_it_lacks(runs, starec):
    folder = runs["decisions"].folder
    why = starec("why", folder, "u1", "1", width=200)
    assert why.status == 0
    assert "not on record" in why.out
    assert "no experience" not in why.out  # what the prompt showed is not on record either
    scan = starec("scan", folder, width=200)
    assert scan.status == 0
    assert "keeps no answers" in scan.out


def test_a_run_with_metrics_says_what_its_figures_are(runs, starec):
    show = starec("show", runs["metrics"].folder, width=200)
    assert show.status == 0
    assert "means of rounds" in show.out


def test_a_run_with_decisions_knows_how_long_quick_calls_took(runs):
    entries = runs["decisions"].ledger.entries
    assert entries
    assert all(entry.seconds > 0 for entry in entries)


def test_what_a_compacted_run_lacks_is_said_to_be_compacted(runs, starec, tmp_path):
    run = shutil.copytree(runs["everything"].folder, tmp_path / "run")
    assert starec("compact", run, "--yes").status == 0
    commands = [
        ("show", run),
        ("why", run, "u1", "1"),
        ("search", run, "drama"),
        ("scan", run),
        ("replay", run),
        ("sql", run, "SELECT DISTINCT answer FROM turns"),
    ]
    for command in commands:
        shown = starec(*command, width=200)
        said = " ".join((shown.out + shown.err).split())
        assert re.search("compacted to `?decisions", said), (command, said)
        assert "record: decisions" not in said, command
    with reading(run) as reader:
        of = read_overview(run, reader).run
    assert (of.record, of.compacted) == ("decisions", True)
    assert starec("compact", run, "--to", "metrics", "--yes").status == 0
    for command in (("show", run), ("why", run, "u1", "1")):
        shown = starec(*command, width=200)
        said = " ".join((shown.out + shown.err).split())
        assert re.search("compacted to `?metrics", said), (command, said)


def test_a_run_that_was_compacted_by_an_older_version_reads_as_before(
    runs, starec, tmp_path, monkeypatch
):
    run = shutil.copytree(runs["everything"].folder, tmp_path / "run")
    with monkeypatch.context() as older:
        older.setattr(compaction, "write_compacted", lambda db, level: None)
        older.setattr(compaction, "COMPACTED", NOT_RECORDED)
        assert starec("compact", run, "--yes").status == 0
    why = starec("why", run, "u1", "1", width=200)
    assert "the run was recorded with record: decisions" in " ".join(why.out.split())


def test_a_run_with_metrics_suggests_no_command_that_needs_steps(tmp_path, monkeypatch, starec):
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\nrounds: 1\nrecord: metrics\n"
        "data: {use: synthetic, users: 4, items: 40, interactions: 12}\n"
        "environment: {use: feed, recommender: popularity, pages: 1}\nagent: analytic\n"
    )
    monkeypatch.chdir(tmp_path)
    run = starec("run", "tiny.yaml", width=200)
    assert run.status == 0
    assert "starec view" in run.err + run.out
    assert "--user" not in run.err + run.out
    assert "starec why" not in run.err + run.out


def test_a_run_with_decisions_promises_no_thoughts_and_a_resume_counts_its_own_steps(
    tmp_path, monkeypatch, starec
):
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\nrounds: 2\nrecord: decisions\n"
        "data: {use: synthetic, users: 4, items: 40, interactions: 12}\n"
        "environment: {use: feed, recommender: popularity, pages: 1, activity: 1.0}\n"
        "budget: {calls: 6}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert starec("run", "tiny.yaml", width=200).status == 3
    run = starec("resume", "latest", "--budget", "calls=999", width=200)
    said = run.out + run.err
    assert run.status == 0, said
    assert "thought and did" not in said
    assert "what one user saw and did" in said
    here, before = map(
        int, re.search(r"(\d+) user-steps in \d+ s, and (\d+) before", said).groups()
    )
    with reading(next((tmp_path / "runs").iterdir())) as reader:
        (steps,) = reader.db.execute("SELECT COUNT(*) FROM steps").fetchone()
    assert here + before == steps


def test_a_saved_page_of_a_run_with_metrics_is_refused_by_its_name(runs, starec, tmp_path):
    page = starec("view", "--bundle", tmp_path / "page.html", runs["metrics"].folder, width=200)
    assert "`starec view --bundle` needs `record: decisions`" in " ".join(page.err.split())


def test_a_run_without_a_folder_of_runs_is_told_what_the_key_must_be():
    with pytest.raises(ConfigError, match=r"^runs_dir: must be a path, got nothing"):
        validate(Experiment, {"name": "a", "environment": "feed", "runs_dir": None}, "")


def test_the_help_of_resume_names_every_executor(starec):
    shown = " ".join(starec("resume", "--help", width=200).out.split())
    of_option = shown.split("--executor")[1].split("--budget")[0]
    for name in get_args(ExecutorSettings.model_fields["use"].annotation):
        assert name in of_option


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as raised:
        write_atomically(tmp_path / "manifest.json", "{}")
    assert raised.value.filename == str(tmp_path / "manifest.json")
    db = sqlite3.connect(tmp_path / "run.sqlite")
    db.execute("PRAGMA max_page_count = 1")
    with (
        pytest.raises(RunError, match=r"the disk is full: nothing more .*run\.sqlite"),
        readable_errors(tmp_path / "run.sqlite"),
    ):
        db.execute("CREATE TABLE a (b)")
    db.close()


def test_a_plot_that_cannot_be_written_is_told_in_words(tmp_path, monkeypatch, starec):
    def read_only(*args):
        raise OSError(errno.EROFS, "Read-only file system", str(args[-1]))

    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\nrounds: 1\ndata: {use: synthetic, users: 4, items: 40, interactions: 12}\n"
        "environment: {use: feed, recommender: popularity, pages: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_result, "plot_report", read_only)
    run = starec("run", "tiny.yaml", width=300)
    assert run.status == 0
    assert re.search(r"No plot was written to runs/.*/plot\.png: Read-only file system\n", run.err)
    assert "Errno" not in run.err


def test_a_run_with_everything_and_one_with_decisions_are_the_same(runs, starec):
    diff = starec("diff", runs["everything"].folder, runs["decisions"].folder)
    assert diff.status == 0
    assert "are the same" in diff.out


def test_an_arm_cannot_be_recorded_otherwise(tmp_path):
    file = tmp_path / "experiment.yaml"
    file.write_text("name: a\nenvironment: feed\narms: {b: {record: metrics}}\n")
    with pytest.raises(ConfigError, match="all arms of an experiment share this key"):
        read_experiment(file)


def test_a_search_without_prompts_says_that_only_summaries_are_searched(runs, starec):
    err = starec("search", runs["decisions"].folder, "drama").err
    assert "only summaries are searched" in err
    err = starec("search", runs["everything"].folder, "drama").err
    assert "only summaries are searched" not in err


def test_what_needs_more_than_metrics_names_the_command_that_shows_them(runs, starec):
    err = starec("why", runs["metrics"].folder, "u1", "1").err
    assert f"starec show {runs['metrics'].folder}" in " ".join(err.split())
    assert "--set record=decisions" in err
