"""Runs that start inside a running event loop, and prompts that leave the machine."""

import asyncio
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from starec_sim import (
    AuditSettings,
    Evaluation,
    Experiment,
    RunEvents,
    audit,
    evaluate,
    resume,
    run,
)
from starec_sim.errors import ConfigError
from starec_sim.evaluation import read_rows
from starec_sim.runs.manifest import read_manifest

SMALL = {
    "name": "small",
    "rounds": 2,
    "seed": 1,
    "data": {"use": "synthetic", "users": 6, "items": 100},
    "environment": {"use": "feed", "recommender": {"use": "popularity"}},
    "policies": {"fast": "lexical", "slow": "lexical"},
}
KEYS = ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2")


def experiment(folder, **changes):
    return Experiment.model_validate({**SMALL, "runs_dir": folder, **changes})


def in_a_loop(function):
    """Call a function as a cell of a notebook does: from within a running event loop."""

    async def cell():
        return function()

    return asyncio.run(cell())


def test_a_run_inside_a_loop_has_the_digest_of_one_outside(tmp_path):
    inside = in_a_loop(lambda: run(experiment(tmp_path / "in")))
    assert inside.digest == run(experiment(tmp_path / "out")).digest
    assert in_a_loop(lambda: resume(inside.folder)).digest == inside.digest


@pytest.mark.slow
def test_an_evaluation_and_an_audit_inside_a_loop_end_with_their_tables(tmp_path):
    data = {"use": "synthetic", "users": 8, "items": 100}
    rows = [row for row in read_rows("agents") if row.name == "{policy}"]
    evaluation = Evaluation(data=data, policies=["lexical"], rows=rows, runs_dir=tmp_path)
    _, table = in_a_loop(lambda: evaluate(evaluation))
    assert 0 < table.row("lexical").metrics["ndcg@10"].mean < 1
    settings = AuditSettings(
        data=data, policy={"use": "lexical"}, users=3, only=("position",), runs_dir=tmp_path
    )
    _, report = in_a_loop(lambda: audit(settings))
    assert [result.name for result in report.results] == ["position"]


def test_ctrl_c_inside_a_loop_pauses_the_run(tmp_path):
    class Interrupt(RunEvents):
        folder = None

        def run_started(self, folder, experiment):
            self.folder = folder

        def round_finished(self, round, metrics):
            if round == 0:
                os.kill(os.getpid(), signal.SIGINT)

    events = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        in_a_loop(lambda: run(experiment(tmp_path, rounds=1000), events))
    assert read_manifest(events.folder).status == "paused"
    assert threading.active_count() < 50


def test_an_error_inside_a_loop_is_the_error_of_the_run(tmp_path):
    with pytest.raises(ConfigError, match="there is no such key"):
        in_a_loop(lambda: run(experiment(tmp_path, environment={"use": "feed", "pags": 3})))


@pytest.fixture
def server(monkeypatch):
    """Take LangSmith's place with its variables set; return the bodies that were posted."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer()

        def do_POST(self):
            posted.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.answer()

        def answer(self):
            self.send_response(202)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for key in KEYS:
        monkeypatch.setenv(key, "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "x")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{listening.server_port}")
    yield posted
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_langsmiths_variables_alone_send_nothing_away(server, tmp_path):
    run(experiment(tmp_path))
    assert server == []


def test_a_traced_run_says_where_prompts_go_before_anything_else(server, tmp_path):
    said = []

    class Messages(RunEvents):
        def run_started(self, folder, experiment):
            said.append("started")

        def message(self, text):
            said.append(text)

    run(experiment(tmp_path, rounds=1, tracing=True), Messages())
    assert said[0] == "tracing: all prompts and answers of this run are sent to 127.0.0.1"
    assert b"stars" in b"".join(server)


def test_a_tracing_server_that_does_not_answer_is_refused_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"tracing: on, but 127\.0\.0\.1 cannot be reached"):
        run(experiment(tmp_path, tracing=True))
    assert list(tmp_path.iterdir()) == []


def test_tracing_without_a_key_is_refused(monkeypatch, tmp_path):
    for name in ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "LANGSMITH_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="LANGSMITH_API_KEY is not set"):
        run(experiment(tmp_path, tracing=True))
