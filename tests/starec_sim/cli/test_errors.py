"""An error says what happened, what was expected, what to do; status 2, no traceback."""

import json
import random
import shutil

import pytest
import typer

from starec_sim.cli import app_with
from starec_sim.runs.folder import CONFIG
from starec_sim.runs.manifest import MANIFEST
from starec_sim.runs.schema import FILE

FEED = ("run", "feed.yaml")


@pytest.fixture
def copied(finished, here):
    """A copy of a finished run, which the test can damage."""
    return shutil.copytree(finished["ranking"], here / "runs" / finished["ranking"].name)


def set_status(run, status):
    path = run / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": status}))


def check(starec, *arguments, said, status=2):
    """Run a command that fails, without and with --json; return the JSON object."""
    plain = starec(*arguments)
    assert plain.status == status, plain.err
    assert plain.out == ""
    assert "Traceback" not in plain.err
    assert f"error: {said}" in plain.err or said in plain.err
    assert "\nhint: " in plain.err
    answer = starec(*arguments, "--json").answer
    assert answer["status"] == "failed"
    assert said in answer["error"]
    assert answer["hint"]
    return answer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*FEED, "--set", "roundz=3"], 'roundz: there is no such key; did you mean "rounds"?'),
        ([*FEED, "--set", "environment.recommender.use=x"], "environment.recommender.use: no rec"),
        ([*FEED, "--set", "environment.min_interactions=900"], "no user of synthetic has 900"),
        ([*FEED, "--set", "rounds"], '--set "rounds" is not KEY=VALUE'),
        ([*FEED, "--set", "runs_dir=feed.yaml"], "no run can be written to feed.yaml"),
        ([*FEED, "--set", "environment.use=nothing.py:X"], "there is no file nothing.py"),
        ([*FEED, "--data", "nothing"], '"nothing" is neither a file or folder nor a dataset'),
        ([*FEED, "--data", ""], '"" is neither a file or folder nor a dataset'),
        ([*FEED, "--data", "."], ". is in no known format"),
        (["run", "nothing.yaml"], "there is no file nothing.yaml"),
        (["run", "."], ". is a folder without a config.yaml"),
        (["run"], "Missing argument 'EXPERIMENT'"),
        (
            ["why", "u1", "1"],
            'Missing argument \'ROUND\'; "u1" was taken for RUN; "1" was taken for USER; RUN comes '
            "first, and `latest` is the newest one",
        ),
        (["run", "feed.yaml", "more"], "Got unexpected extra argument"),
        (["run", "feed.yaml", "--sett", "a=1"], "No such option: --sett"),
        (["rnu"], "No such command 'rnu'; did you mean \"run\"?"),
        (["resume", "latest", "--concurency", "1"], 'did you mean "--concurrency"?'),
        (["show", "x", "--xyz"], "No such option: --xyz; known: --"),
        (["show", "nothing", "--round=abc"], 'got "abc"'),
        (["estimate", "feed.yaml", "--users", "1e6"], 'got "1e6"; write 1000000'),
        (["resume", "latest", "--concurrency=1,000"], 'got "1,000"; write 1000'),
        (["estimate", "feed.yaml", "--executor", "cohrt"], 'did you mean "cohort"?'),
        (["show", "nothing"], "there are no runs in runs"),
        (["show", "nothing", "--round", "0"], "Invalid value for '--round'"),
        (["show"], "Missing argument 'RUN'"),
        (["resume", "latest"], "there are no runs in runs"),
        (["resume", "latest", "--concurrency", "0"], "Invalid value for '--concurrency'"),
        (
            ["estimate", "feed.yaml", "--executor", "rya"],
            "Invalid value for '--executor': 'rya' is not one of",
        ),
        ([*FEED, "--set", "executor=proceses"], "got 'proceses'; did you mean \"processes\"?"),
        (["resume", "latest", "--concurrency", "many"], "Invalid value for '--concurrency'"),
        (["runs", "--runs-dir", "feed.yaml"], "feed.yaml is not a folder"),
        (["data", "describe", "nothing"], '"nothing" is neither a file or folder nor a dataset'),
        (["data", "describe", "csv"], "no path was given"),
    ],
)
def test_a_wrong_command_is_told_what_is_wrong(starec, here, arguments, said):
    check(starec, *arguments, said=said)


def test_a_group_of_commands_asks_for_one_of_them(starec):
    said = starec("data")
    assert (said.status, said.out) == (2, "")
    assert "Missing command" in said.err
    assert "hint: starec data --help" in said.err


@pytest.mark.parametrize("text", ["", "- a\n", "name: [", "name: a\nname: b\n", "\x00"])
def test_a_file_that_is_no_experiment(starec, here, text):
    (here / "bad.yaml").write_text(text)
    check(starec, "run", "bad.yaml", said="")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class Mine\n", "SyntaxError"),
        ("class Mine: pass\n", "has no `Config`"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_plug_in_file_that_cannot_be_used(starec, here, code, said):
    (here / "mine.py").write_text(code)
    check(starec, *FEED, "--set", "environment.use=mine.py:Mine", said=said)
    assert not (here / "runs").exists()


WORLD = """
from starec_sim.settings import Settings
class Mine:
    class Config(Settings): pass
    def __init__(self, config, dataset, streams):
        print("noise of a plug-in")
        {}
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 / 0", "raised ZeroDivisionError: division by zero (mine.py:7)"),
        ("import sys; sys.exit(0)", "raised SystemExit: 0 (mine.py:7)"),
    ],
)
def test_a_plug_in_that_breaks_is_a_failure_and_its_noise_is_not_in_the_answer(
    starec, here, line, said
):
    (here / "mine.py").write_text(WORLD.format(line))
    said_json = starec(*FEED, "--set", "environment.use=mine.py:Mine", "--json")
    assert said_json.status == 2
    assert said_json.answer["error"] == f"environment mine.py:Mine, __init__(): {said}"
    assert said_json.answer["hint"]
    assert "noise of a plug-in" in said_json.err


def test_debug_shows_where_an_error_comes_from_and_changes_nothing_else(starec, here):
    plain = starec(*FEED, "--set", "roundz=3", "--json")
    debug = starec("--debug", *FEED, "--set", "roundz=3", "--json")
    assert "Traceback" in debug.err
    assert "Traceback" not in plain.err
    assert (debug.status, debug.answer) == (plain.status, plain.answer)


def test_an_interrupt_says_so_in_one_object(starec, here, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("starec_sim.experiment.read_experiment", interrupted)
    said = starec(*FEED, "--json")
    assert said.status == 130
    assert said.answer["status"] == "paused"
    assert starec(*FEED).status == 130


def test_an_old_name_works_and_a_hint_names_the_new_one_once(starec, here):
    said = starec(*FEED, "--set", "train.anchor={}", "--set", "train.anchor.users=3", "--json")
    hint = "hint: the key train.anchor is now called train.sft; the old name works in this release"
    assert said.status == 0
    assert said.err.count(hint) == 1


def test_text_from_outside_cannot_steer_the_terminal(starec, here):
    said = starec("run", "no\x1b[31m.yaml")
    assert "\x1b" not in said.err


class TestADamagedRun:
    @pytest.mark.slow
    def test_without_a_manifest(self, starec, copied):
        (copied / MANIFEST).unlink()
        for command in ("show", "resume"):
            check(starec, command, copied, said="manifest.json is damaged: No such file")
        (row,) = starec("runs", "--json").answer["runs"]
        assert row["status"] == "damaged"
        assert "damaged" in starec("runs").out

    @pytest.mark.parametrize("text", ["", '{"name": "feed", "stat', "[]", "{}"])
    def test_with_half_a_manifest(self, starec, copied, text):
        (copied / MANIFEST).write_text(text)
        for command in ("show", "resume"):
            check(starec, command, copied.name, said="manifest.json is damaged")
        assert starec("runs", "--json").answer["runs"][0]["status"] == "damaged"

    def test_does_not_hide_the_others(self, starec, copied, here):
        shutil.copytree(copied, here / "runs" / "zzz")
        (here / "runs" / "zzz" / MANIFEST).write_text("{")
        assert len(starec("runs", "--json").answer["runs"]) == 2
        assert starec("show", "latest", "--json").answer["run"].endswith(copied.name)

    def test_without_a_configuration(self, starec, copied):
        (copied / CONFIG).unlink()
        for command in ("show", "resume"):
            check(starec, command, copied, said="config.yaml")

    def test_with_an_edited_configuration(self, starec, copied):
        with (copied / CONFIG).open("a") as file:
            file.write("x: 3\n")
        check(starec, "resume", copied, said="config.yaml was changed after the run began")
        check(starec, "show", copied, said="x: there is no such key")

    @pytest.mark.parametrize("kept", [100, 20_000])
    def test_with_half_a_record(self, starec, copied, kept):
        path = copied / FILE
        path.write_bytes(path.read_bytes()[:kept])
        check(starec, "show", copied, said="run.sqlite is damaged")
        set_status(copied, "paused")
        check(starec, "resume", copied, said="run.sqlite is damaged")
        assert path.stat().st_size == kept

    def test_with_noise_for_a_record(self, starec, copied):
        (copied / FILE).write_bytes(random.Random(0).randbytes(30_000))
        check(starec, "show", copied, said="run.sqlite is damaged")
        set_status(copied, "paused")
        check(starec, "resume", copied, said="run.sqlite is damaged")

    def test_without_a_record_though_it_is_finished_says_that_it_is_missing(self, starec, copied):
        (copied / FILE).unlink()
        answer = check(starec, "show", copied, said="is missing or empty, though the run is")
        assert "put a copy of it back" in answer["hint"] and "wait" not in answer["hint"]

    def test_without_a_record_has_not_begun_and_starts_again(self, starec, copied):
        digest = starec("show", copied, "--json").answer["digest"]
        (copied / FILE).unlink()
        set_status(copied, "paused")
        answer = check(starec, "show", copied, said="holds no record: it ended before")
        assert answer["hint"].endswith(f"starec resume {copied}")
        assert starec("resume", copied, "--json").answer["digest"] == digest


def test_the_kind_in_the_manifest_says_how_a_folder_is_resumed(starec, copied):
    manifest = json.loads((copied / MANIFEST).read_text())
    (copied / MANIFEST).write_text(json.dumps(manifest | {"kind": "audit"}))
    answer = check(starec, "resume", copied, said="holds no audit")
    assert "starec audit" in answer["hint"]


def test_a_finished_run_resumes_to_itself(starec, copied):
    digest = starec("show", copied, "--json").answer["digest"]
    said = starec("resume", copied.name, "--json")
    assert (said.status, said.answer["digest"]) == (0, digest)
    assert "nothing left to do" in starec("resume", copied).err


def test_a_plot_that_cannot_be_written_is_no_failure_of_the_run(starec, copied):
    (copied / "plot.png").mkdir()
    said = starec("resume", copied, "--json")
    assert (said.status, said.answer["plot"]) == (0, None)
    assert "No plot was written" in said.err


def test_every_command_has_json_and_a_help(starec):
    commands = typer.main.get_command(app_with()).commands
    for name, command in {**commands, **commands["data"].commands}.items():
        if name != "data":
            assert any("--json" in option.opts for option in command.params), name
            assert command.help, name
