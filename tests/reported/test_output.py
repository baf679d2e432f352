"""Output that cannot be written: one line says so, the status is not 0, a run is kept and named."""

import os
import resource

import pytest
import yaml

from starec_sim.cli import main
from starec_sim.errors import RunError
from starec_sim.runs.tables import write_rows
from starec_sim.runs.whole_file import whole_file
from tests.forked import fork, wait

FEED = {
    "name": "feed",
    "rounds": 1,
    "data": {"use": "synthetic", "users": 3, "items": 30, "interactions": 10},
    "environment": {"use": "feed", "recommender": "popularity", "page_size": 3, "pages": 1},
    "policies": {"fast": "lexical", "slow": "lexical"},
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feed.yaml").write_text(yaml.safe_dump(FEED))
    return tmp_path


@pytest.fixture
def starec_to(monkeypatch, here):
    """Run the command line in a forked process; return its status and its stderr."""

    def starec_to(stdout, *arguments, before=lambda: None):
        def work():
            import sys

            with open(here / "stderr", "w") as errors:  # noqa: PTH123
                os.dup2(errors.fileno(), 2)
            os.dup2(stdout, 1)
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
            sys.argv = ["starec", *map(str, arguments)]
            before()
            try:
                main()
            except SystemExit as left:
                sys.stderr.flush()
                os._exit(left.code)

        return wait(fork(work)), (here / "stderr").read_text()

    return starec_to


@pytest.fixture
def full():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def closed():
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs"],
        ["runs", "--json"],
        ["--help"],
        ["plugins"],
        ["plugins", "--json"],
        ["check-table", "paper"],
        ["data", "describe", "synthetic"],
        ["show", "nothing", "--json"],
    ],
)
def test_a_full_disk_behind_stdout_is_one_line_and_a_status(starec_to, full, arguments):
    status, said = starec_to(full, *arguments)
    assert status == 2
    assert "error: stdout cannot be written: No space left on device\n" in said
    assert "Traceback" not in said and "Exception ignored" not in said


def test_a_run_whose_answer_cannot_be_written_is_kept_and_named(starec_to, here, full):
    status, said = starec_to(full, "run", "feed.yaml", "--json")
    (folder,) = (here / "runs").iterdir()
    assert status == 2
    assert "stdout cannot be written" in said
    assert f"starec show runs/{folder.name}" in said


def test_a_run_whose_page_cannot_be_printed_is_kept_and_named(starec_to, here, closed):
    status, said = starec_to(closed, "run", "feed.yaml")
    (folder,) = (here / "runs").iterdir()
    assert status == 2
    assert "error: stdout was closed before everything was written\n" in said
    assert f"starec show runs/{folder.name}" in said


def test_a_disk_that_fills_during_a_run_leaves_it_to_be_resumed(starec_to, starec, here):
    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))

    with open(os.devnull, "w") as nothing:  # noqa: PTH123
        status, said = starec_to(
            nothing.fileno(), "run", "feed.yaml", "--set", "rounds=30", before=no_room
        )
    (folder,) = (here / "runs").iterdir()
    assert status == 2, said
    assert "Traceback" not in said and "unexpected" not in said
    assert f"starec resume runs/{folder.name}" in said
    status, out, _ = starec("resume", folder, "--json")
    assert status == 0 and '"status": "finished"' in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--runs-dir", "one\ntwo"],
        ["show", "one\ntwo"],
        ["run", "one\ntwo.yaml"],
        ["run", "feed.yaml", "--set", 'runs_dir="one\\ntwo"'],
        ["data", "describe", "one\ntwo"],
        ["export", "latest", "--turns", "one\ntwo.jsonl"],
    ],
)
def test_a_path_with_a_line_break_is_refused_on_one_line(starec, here, arguments):
    status, _, said = starec(*arguments)
    error, _, hint = said.partition("\n\n")
    assert status == 2
    assert error.startswith("error: ") and "one\\ntwo" in error and "\n" not in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--runs-dir"],
        ["show"],
        ["resume"],
        ["run"],
        ["data", "describe"],
        ["table"],
        ["check-table"],
        ["run", "feed.yaml", "--set"],
        ["export", "latest", "--turns"],
    ],
)
def test_a_path_that_is_too_long_is_an_error_of_the_user(starec, here, arguments):
    longest = "x" * 5_000
    value = f"runs_dir={longest}" if arguments[-1] == "--set" else longest
    status, _, said = starec(*arguments, value)
    assert status == 2, said[:300]
    assert said.startswith("error: ") and "unexpected" not in said


def test_a_place_for_runs_that_is_a_file_is_named(starec, here):
    status, _, said = starec("run", "feed.yaml", "--set", "runs_dir=feed.yaml")
    assert status == 2
    assert said.startswith("error: no run can be written to feed.yaml: ")
    assert "another place is named by `runs_dir` of an experiment" in said


def test_a_file_of_an_export_that_is_a_pipe_or_a_link_stays_one(tmp_path):
    pipe, link, named = tmp_path / "pipe", tmp_path / "link.md", tmp_path / "named.md"
    os.mkfifo(pipe)
    named.write_text("old")
    link.symlink_to(named)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for file in (pipe, link):
        with whole_file(file) as out:
            out.write("text")
    assert os.read(reader, 10) == b"text" and pipe.is_fifo()
    os.close(reader)
    assert link.is_symlink() and named.read_text() == "text"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.md", "named.md", "pipe"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_table_is_written_whole_or_not_at_all_and_a_link_stays_one(tmp_path, suffix):
    link, named = tmp_path / f"link{suffix}", tmp_path / f"named{suffix}"
    named.write_text("old")
    link.symlink_to(named)

    def broken():
        yield {"a": 1}
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="cannot be written: No space left"):
        write_rows(link, {"a": "integer"}, broken())
    assert write_rows(link, {"a": "integer"}, []) == 0
    assert named.read_text() == "old"
    assert write_rows(link, {"a": "integer"}, [{"a": 1}, {"a": 2}]) == 2
    assert link.is_symlink() and named.read_bytes() != b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [link.name, named.name]


def test_parquet_of_a_whole_run_replaces_no_file_unless_it_is_whole(starec, here, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert starec("run", "feed.yaml")[0] == 0
    assert starec("export", "latest", "--to", "parquet", "--out", "out")[0] == 0
    before = {path.name: path.read_bytes() for path in (here / "out").iterdir()}

    def full(table, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    status, _, said = starec("export", "latest", "--to", "parquet", "--out", "out")
    assert status == 2 and "cannot be written: No space left on device" in said
    assert {path.name: path.read_bytes() for path in (here / "out").iterdir()} == before


def test_a_page_to_mail_and_the_table_of_a_sweep_leave_a_link_a_link(starec, here):
    (here / "named").write_text("old")
    for name in ("page.html", "sweep.csv"):
        (here / name).symlink_to(here / "named")
    assert starec("run", "feed.yaml")[0] == 0
    assert starec("view", "latest", "--bundle", "page.html")[0] == 0
    assert "<html" in (here / "named").read_text()
    sweep = ("sweep", "feed.yaml", "--over", "rounds=1", "--processes", "1", "--csv", "sweep.csv")
    assert starec(*sweep)[0] == 0
    assert (here / "named").read_text().startswith("rounds,arm,metric")
    assert all((here / name).is_symlink() for name in ("page.html", "sweep.csv"))


def test_a_name_that_is_too_long_is_not_a_fault_of_the_record(starec, here):
    assert starec("run", "feed.yaml")[0] == 0
    _, _, said = starec("export", "latest", "--impressions", "x" * 300 + ".jsonl")
    assert "xxx.jsonl cannot be written: File name too long" in said
