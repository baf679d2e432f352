"""Folders of runs that are damaged, or made by somebody else, and runs that were killed early."""

import json
import os
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
import zstandard

from starec_sim import evaluation, runner
from starec_sim.errors import RunError
from starec_sim.evaluation import Evaluation
from starec_sim.experiment import Experiment
from starec_sim.resume_any import resume
from starec_sim.runs import lifecycle
from starec_sim.runs.aggregates import last_digests
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.open_record import read_only
from starec_sim.runs.reader import reading
from starec_sim.runs.run_tables import read_run
from starec_sim.simulation import Simulation
from tests.damaged_folders import ESCAPES, copy_damaged
from tests.forked import fork, kill_self, wait

EXPERIMENT = {
    "name": "small",
    "rounds": 2,
    "data": {"use": "synthetic", "users": 3, "items": 30, "interactions": 10},
    "environment": {"use": "feed", "recommender": "popularity", "page_size": 3, "pages": 2},
    "policies": {"fast": "lexical", "slow": "lexical"},
    "agent": {"use": "star", "gate": {"when": "always"}},
}
evaluate_module = sys.modules["starec_sim.evaluation.evaluate"]
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A finished run. Tests change copies of it."""
    place = tmp_path_factory.mktemp("recorded")
    return runner.run(Experiment.model_validate({**EXPERIMENT, "runs_dir": place})).folder


@pytest.fixture
def copied(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(recorded, tmp_path / "runs" / "copied"))


def change(folder, statement, *values):
    db = sqlite3.connect(folder / "run.sqlite")
    db.execute(statement, values)
    db.commit()
    db.close()


OTHER = "another run"
READING = [
    ["show"], ["show", "--user", "u1", "--prompts"], ["show", "--md"], ["sql", "SELECT 1"],
    ["why", "u1", "1"], ["diff", OTHER], ["search", "a"], ["sql", "SELECT * FROM steps"],
    ["scan"], ["plot", "--to", "plots"], ["export", "--impressions", "shown.csv"], ["table"],
    ["export", "--to", "md", "--out", "o.md"], ["export", "--to", "otel", "--out", "o.json"],
    ["export", "--to", "atif", "--out", "o.atif"], ["export", "--to", "jsonl", "--out", "tables"],
]  # fmt: skip
"""Commands that only read a folder, and their options."""


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_folder_is_read_or_refused_by_name(recorded, starec, tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    folder, damage = copy_damaged(recorded, tmp_path / "runs", seed)
    others = READING[seed % 4 :: 4]
    commands = [["runs"], *([name, folder, *options] for name, *options in others)]
    commands = [[recorded if each == OTHER else each for each in one] for one in commands]
    if seed % 10 == 0:
        commands += [["replay", folder], ["resume", folder]]
    for command in commands:
        status, out, err = starec(*command)
        assert status in (0, 2, 3), (damage, err)
        assert not RAW.search(out + err), (damage, command)


def test_a_pipe_in_the_place_of_a_manifest_does_not_hang(copied, starec):
    (copied / "manifest.json").unlink()
    os.mkfifo(copied / "manifest.json")
    _, out, _ = starec("runs")
    assert "damaged" in out
    status, _, err = starec("show", copied)
    assert status == 2
    assert "manifest.json is damaged: it is a pipe, not a regular file" in err


@pytest.mark.parametrize("name", ["manifest.json", "config.yaml", "run.sqlite"])
def test_a_link_to_another_file_is_not_followed(copied, starec, tmp_path, name):
    (copied / name).rename(tmp_path / name)
    (copied / name).symlink_to(tmp_path / name)
    status, _, err = starec("show", copied)
    assert status == 2
    assert "it is a symbolic link, not a regular file" in err


def test_a_link_in_the_place_of_a_file_that_is_written_is_not_followed(copied, tmp_path):
    (tmp_path / "mine").write_text("precious")
    (copied / "manifest.json.part").symlink_to(tmp_path / "mine")
    write_atomically(copied / "manifest.json", "{}")
    assert (tmp_path / "mine").read_text() == "precious"
    assert (copied / "manifest.json").read_text() == "{}"


def test_a_small_record_does_not_unfold_to_gigabytes(copied):
    change(copied, "UPDATE texts SET body = ?", zstandard.compress(bytes(100 << 20)))
    with pytest.raises(RunError, match="a compressed text unfolds to 104,857,600 bytes"):
        list(read_run(copied).steps())


def test_a_frame_that_does_not_say_its_size_is_refused(copied):
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(b"hello")
    change(copied, "UPDATE texts SET body = ?", stream)
    with pytest.raises(RunError, match="a compressed text does not say its size"):
        list(read_run(copied).steps())


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("decision", "[" * 100_000, "steps.decision: Invalid JSON: recursion limit"),
        ("feedback", '{"lived": [[0, 1e999, "x"]]}', "steps.feedback.lived.0.1: must be a finite"),
        ("observation", '["feed", 1, [-1]]', "steps.observation.2.0: must be greater than"),
        ("observation", '["feed", 1, [999]]', "items 999 is missing"),
        ("reason", b"\xff", "steps.6: must be a valid string"),
        ("slow", 7, "steps.5: must be 0 or 1, got 7"),
    ],
)
def test_a_row_of_another_type_is_named_with_its_field(copied, column, value, said):
    change(copied, f"UPDATE steps SET {column} = ?", value)
    with pytest.raises(RunError, match=re.escape(said)) as raised:
        list(read_run(copied).steps())
    assert str(copied / "run.sqlite") in raised.value.message


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON turns BEGIN DELETE FROM turns; END",
        "CREATE VIEW more AS SELECT 1",
        "ALTER TABLE steps ADD COLUMN more GENERATED ALWAYS AS (hex(reason))",
    ],
)
def test_a_record_that_brings_code_of_its_own_is_refused(copied, statement):
    change(copied, statement)
    for use in (read_run(copied).table, lambda _: resume(copied)):
        with pytest.raises(RunError, match="its schema is not the one written here"):
            use("turns")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE items", "items is missing"),
        ("CREATE TABLE more (x)", "more is none of its tables"),
        ("ALTER TABLE users DROP COLUMN profile", "users lacks the column profile"),
        ("ALTER TABLE users ADD COLUMN age", "users has the column age more"),
        ("ALTER TABLE users RENAME COLUMN id TO name", "lacks the column id and has the column na"),
    ],
)
def test_a_table_or_column_that_a_record_lacks_is_named(copied, statement, said):
    change(copied, statement)
    with pytest.raises(RunError, match=f"its schema is not the one written here: .*{said}"):
        read_run(copied).table("turns")


def test_a_time_that_is_none_is_named_with_its_field(copied, starec):
    values = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({**values, "started": "\n\nhint: run it"}))
    status, _, err = starec("export", copied, "--to", "otel", "--out", "o.json")
    assert status == 2
    assert "manifest.json is damaged: started: must be a time in ISO 8601" in err


@pytest.mark.parametrize("table", ["steps", "impressions", "memories"])
def test_tables_name_an_item_that_is_not_there(copied, table):
    change(copied, "DELETE FROM items WHERE item > 5")
    with pytest.raises(RunError, match=r"run\.sqlite is damaged: items \d+ is missing"):
        read_run(copied).table(table)


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        ("UPDATE rounds SET digest = x'ff'", ("diff", OTHER)),
        ("UPDATE texts SET hash = id", ("search", "a")),
        ("UPDATE sessions SET started = x'ff'", ("search", "a")),
        ("UPDATE users SET id = x'ff'", ("diff", OTHER)),
    ],
)
def test_rows_of_another_type_are_named_by_every_reader(
    recorded,
    copied,
    starec,
    statement,
    command,
):
    change(copied, statement)
    name, option = command
    status, _, err = starec(name, copied, recorded if option == OTHER else option)
    assert status == 2
    assert "run.sqlite is damaged: " in err


def test_digests_of_another_type_are_named(copied):
    change(copied, "UPDATE rounds SET trial = '[]' WHERE round = 0")
    with (
        pytest.raises(RunError, match=r"rounds\.0: must be a valid integer"),
        reading(copied) as read,
    ):
        last_digests(read.db)


def test_a_statement_without_end_is_given_up(copied, monkeypatch):
    monkeypatch.setattr("starec_sim.runs.open_record._STEPS", 1_000_000)
    monkeypatch.setattr("starec_sim.runs.open_record._STEPS_PER_BYTE", 0)
    db = read_only(copied)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT COUNT(*) FROM n"
        ).fetchone()
    db.close()


def test_text_of_a_foreign_folder_is_visible_wherever_it_is_printed(copied, starec):
    change(copied, "UPDATE users SET id = ? WHERE user = 1", f"u{ESCAPES}")
    change(copied, "UPDATE items SET title = ?", ESCAPES)
    change(copied, "UPDATE turns SET policy = ?, error = ?", ESCAPES, ESCAPES)
    change(copied, "UPDATE steps SET reason = ?", ESCAPES)
    values = json.loads((copied / "manifest.json").read_text())
    changed = {"status": "failed", "problem": ESCAPES, "arms": [ESCAPES]}
    (copied / "manifest.json").write_text(json.dumps(values | changed))
    for command in (["runs"], ["show", copied], ["show", copied, "--user", "u3", "--prompts"]):
        status, out, err = starec(*command)
        assert status == 0, err
        assert "\\x1b]0;owned" in out and not RAW.search(out), command


def test_negative_counts_of_a_manifest_are_refused(copied, starec):
    values = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({**values, "counts": {"visits": -1}}))
    status, _, err = starec("show", copied)
    assert status == 2 and "manifest.json is damaged: counts.visits" in err


def test_a_command_that_a_manifest_suggests_cannot_run_another(copied, starec):
    values = json.loads((copied / "manifest.json").read_text())
    changed = {"status": "paused", "go_on": "; rm -rf ~"}
    (copied / "manifest.json").write_text(json.dumps(values | changed))
    status, _, err = starec("show", copied)
    assert status == 2 and "go_on" in err


@pytest.mark.parametrize("at", ["config", "manifest", "rename"])
def test_a_run_killed_in_its_first_moments_is_left_over_and_not_listed(
    starec, tmp_path, monkeypatch, at
):
    monkeypatch.chdir(tmp_path)

    def start():
        target = {
            "config": (lifecycle, "write_atomically"),
            "manifest": (lifecycle, "write_manifest"),
            "rename": (lifecycle.run_folder, "place"),
        }[at]
        monkeypatch.setattr(*target, lambda *arguments: kill_self())
        runner.run(Experiment.model_validate(EXPERIMENT))

    assert wait(fork(start)) == -9
    (left,) = Path("runs").iterdir()
    _, out, _ = starec("runs")
    assert "There are no runs" in out and str(left) in out
    assert "starec runs --runs-dir runs --remove-leftovers" in out
    assert starec("runs", "--remove-leftovers")[0] == 0
    assert list(Path("runs").iterdir()) == []


def test_a_run_killed_before_its_record_is_listed_and_goes_on(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start():
        monkeypatch.setattr(lifecycle, "Store", lambda *arguments: kill_self())
        runner.run(Experiment.model_validate(EXPERIMENT))

    assert wait(fork(start)) == -9
    (left,) = Path("runs").iterdir()
    assert read_run(left).manifest.status == "interrupted"
    assert resume(left).digest == read_run(recorded).manifest.digest


def evaluate(place, monkeypatch):
    """Evaluate in a working directory of its own; return the folder."""
    place.mkdir(exist_ok=True)
    monkeypatch.chdir(place)
    protocol = {"name": "small", "candidates": 5, "history": 2, "at": [1, 5], "draws": 1}
    values = {
        "data": {"use": "synthetic", "users": 20, "items": 100},
        "protocol": protocol | {"users": {"count": 4}},
        "rows": [
            {"name": "popularity", "recommender": "popularity"},
            {"name": "lexical", "agent": "star"},
        ],
        "policies": ["lexical"],
    }
    evaluation.evaluate(Evaluation.model_validate(values))
    (folder,) = (place / "runs").iterdir()
    return folder


def files_without_durations(folder):
    """Return what the files of an evaluation hold, by name, without durations."""
    table = json.loads((folder / "table.json").read_text())
    for row in table["rows"]:
        row["costs"] = {name: cost for name, cost in row["costs"].items() if "second" not in name}
    names = ("config.yaml", "evaluation.yaml", "candidates.jsonl", "ranks/0.npz", "ranks/1.npz")
    return {"table.json": table, **{name: (folder / name).read_bytes() for name in names}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The files of an evaluation that was not killed."""
    with pytest.MonkeyPatch.context() as patch:
        return files_without_durations(evaluate(tmp_path_factory.mktemp("undisturbed"), patch))


@pytest.mark.parametrize("killed_at", ["round", "ranks", "table"])
def test_a_killed_evaluation_goes_on_to_the_files_of_an_undisturbed_one(
    tmp_path, monkeypatch, undisturbed, killed_at
):
    def start():
        owner, name = {
            "round": (Simulation, "commit"),
            "ranks": (evaluate_module.files, "write_ranks"),
            "table": (evaluate_module.files, "write_table"),
        }[killed_at]
        whole = getattr(owner, name)

        def die_at_it(*arguments):
            if killed_at != "table":
                whole(*arguments)
            kill_self()

        monkeypatch.setattr(owner, name, die_at_it)
        evaluate(tmp_path / "killed", monkeypatch)

    assert wait(fork(start)) == -9
    goes_on = evaluate(tmp_path / "killed", monkeypatch)
    assert files_without_durations(goes_on) == undisturbed


EVAL = ("eval", "--data", "synthetic,users=20,items=100", "--rows", "rows.yaml", "--users", "4")


@pytest.mark.parametrize("into", [(), ("--into", "out")])
@pytest.mark.parametrize("killed_at", ["table.md", "table.png"])
def test_an_evaluation_killed_while_its_table_is_written_is_finished_by_the_same_command(
    starec, tmp_path, monkeypatch, killed_at, into
):
    monkeypatch.chdir(tmp_path)
    Path("rows.yaml").write_text("rows: [{name: popularity, recommender: popularity}]\n")

    def start():
        from starec_sim.evaluation import table_files

        name = "write_atomically" if killed_at == "table.md" else "plot_table"
        monkeypatch.setattr(table_files, name, lambda *arguments: kill_self())
        starec(*EVAL, *into)

    assert wait(fork(start)) == -9
    assert starec(*EVAL, *into)[0] == 0
    (folder,) = Path("runs").iterdir()
    for place in (folder, *map(Path, into[1:])):
        assert {f"table.{form}" for form in ("md", "csv", "tex", "png")} <= {
            file.name for file in place.iterdir()
        }
    assert read_run(folder).manifest.status == "finished"


def test_an_audit_killed_while_its_copy_is_written_is_finished_by_the_same_command(
    starec, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    data = ("--data", "synthetic,users=20,items=100", "--users", "4", "--only", "leak")
    audit = ("audit", "lexical", *data, "--into", "out")

    def start():
        from starec_sim.evaluation.audits import folder

        monkeypatch.setattr(folder, "write_copy", lambda *arguments: kill_self())
        starec(*audit)

    assert wait(fork(start)) == -9
    assert starec(*audit)[0] == 0
    (run,) = Path("runs").iterdir()
    assert read_run(run).manifest.status == "finished"
    (page,) = Path("out").glob("*.html")
    assert page.read_bytes() == (run / "audit.html").read_bytes()


def test_a_resumed_evaluation_compares_with_the_row_that_it_began_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Evaluation(
        data={"use": "synthetic", "users": 20, "items": 100},
        rows=[{"name": name, "recommender": name} for name in ("random", "popularity")],
        against="popularity",
    )
    folder, _ = evaluation.evaluate(settings)
    (folder / "table.md").unlink()
    resume(folder)
    assert "against popularity" in (folder / "table.md").read_text()


def test_a_run_killed_while_its_record_is_closed_leaves_no_half_manifest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start():
        close = lifecycle.Store.close

        def die_in_the_next_file(store):
            close(store)
            # In place of the rename: what was written so far has the temporary name.
            monkeypatch.setattr(Path, "replace", lambda *arguments: kill_self())

        monkeypatch.setattr(lifecycle.Store, "close", die_in_the_next_file)
        runner.run(Experiment.model_validate(EXPERIMENT))

    wait(fork(start))
    (folder,) = Path("runs").iterdir()
    assert read_run(folder).manifest.status == "finished"
    assert not list(folder.glob("*manifest*.part"))
