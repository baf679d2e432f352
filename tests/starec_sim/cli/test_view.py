"""`starec view`: a server that ends at Ctrl-C, and single pages."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from tests.starec_sim.viewer.conftest import play

FEED = {
    "name": "feed",
    "rounds": 1,
    "environment": {"use": "feed", "recommender": "popularity", "page_size": 4, "pages": 1},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return play(tmp_path_factory.mktemp("runs"), **FEED)


def test_a_busy_port_is_named(starec, run):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        said = starec("view", run.parent, "--port", port, "--no-browser")
    assert said.status == 2
    assert f"port {port} cannot be used" in said.err and "--port 0" in said.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere"], "there are no runs in runs"),
        (["."], ". is no run, and holds none"),
        ([".", "--users", "u1"], "--users is for --bundle"),
        (["{run}", "--bundle", "no/folder.html"], "no/folder.html cannot be written"),
        (["{run}", "--bundle", "a.html", "--users", "u99"], 'the id "u99"'),
        (["{run}", "--bundle", "a.html", "--users", " , "], '--users " , " names nobody'),
        (["{run}/..", "--bundle", "a.html"], "holds 1 run, and --bundle writes one"),
        (["nowhere", "--bundle", "a.html"], "there are no runs in runs"),
    ],
)
def test_what_cannot_be_shown_is_named(starec, run, tmp_path, monkeypatch, arguments, problem):
    monkeypatch.chdir(tmp_path)
    said = starec("view", *(each.format(run=run) for each in arguments))
    assert (said.status, problem in said.err) == (2, True), said.err
    assert "hint:" in said.err and "--runs-dir" not in said.err
    assert not list(tmp_path.iterdir())


def test_a_page_is_written_and_its_size_told(starec, run, tmp_path):
    page = tmp_path / "page.html"
    said = starec("view", run, "--bundle", page, "--users", "u1, u2", "--json")
    told = said.answer
    assert said.status == 0
    assert (told["bundle"], told["people"]) == (str(page), ["u1", "u2"])
    assert told["bytes"] == page.stat().st_size
    said = starec("view", run, "--bundle", page)
    assert said.status == 0 and "with the steps of" in said.out and not said.err


@pytest.mark.slow
def test_it_says_where_it_is_and_leaves_at_ctrl_c(run):
    command = [sys.executable, "-m", "starec_sim", "view", run, "--port", "0", "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(list(map(str, command)), **pipes) as server:
        try:
            address = server.stdout.readline().strip()
            home, _, page = address.partition("#")
            assert page == f"/run/{run.name}"
            with urllib.request.urlopen(f"{home}api/runs", timeout=30) as answer:
                assert [row["name"] for row in json.load(answer)] == [run.name]
            listening = urllib.request.urlopen(f"{home}api/events", timeout=30)
            assert listening.readline() == b": open\n"
            server.send_signal(signal.SIGINT)
            out, err = server.communicate(timeout=30)
        finally:
            server.kill()
    assert (server.returncode, out) == (0, "")
    assert "Ctrl-C ends it." in err and "Traceback" not in err
