"""Phoenix, a reader of spans that nobody here wrote, shows what a run holds: docs/export.md."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec

import pytest

from starec_sim import Experiment, read_run, run
from starec_sim.exports.otel import send_otel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("phoenix") is None, reason="needs arize-phoenix"),
]
QUERY = """{ projects { edges { node { traceCount spans(first: 1000) { edges { node {
  name spanKind statusCode tokenCountCompletion attributes } } } } } } }"""
STARTING_S = 120


@pytest.fixture
def phoenix(tmp_path):
    """Yield the address of a server on this machine, which calls nobody."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        http, grpc = one.getsockname()[1], two.getsockname()[1]
    settings = {
        "PHOENIX_WORKING_DIR": str(tmp_path),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "phoenix.server.main", "serve"],
            env=os.environ | settings, stdout=log, stderr=log,
        )  # fmt: skip
    address = f"http://127.0.0.1:{http}"
    try:
        deadline = time.monotonic() + STARTING_S
        while not answers(f"{address}/healthz"):
            assert server.poll() is None and time.monotonic() < deadline, tmp_path / "log"
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.URLError:
        return False
    return True


def stored(address):
    """Return the number of traces of a server, and its spans."""
    post = urllib.request.Request(
        f"{address}/graphql",
        json.dumps({"query": QUERY}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(post, timeout=30) as reply:
        (project,) = json.load(reply)["data"]["projects"]["edges"]
    spans = [edge["node"] for edge in project["node"]["spans"]["edges"]]
    return project["node"]["traceCount"], spans


def test_phoenix_shows_every_visit_and_every_call(phoenix, tmp_path):
    experiment = {
        "name": "traced",
        "rounds": 2,
        "data": {"use": "synthetic", "users": 4, "items": 100},
        "environment": {"use": "ranking", "candidates": 5, "choices": 2},
        "policies": {"fast": "lexical", "slow": "lexical"},
        "agent": {"use": "star", "gate": {"when": "always"}},
        "runs_dir": tmp_path / "runs",
    }
    folder = run(Experiment.model_validate(experiment)).folder
    turns = list(read_run(folder).turns())
    visits = {(turn.user, turn.round) for turn in turns}
    assert send_otel(folder, phoenix) == len(turns) + len(visits)
    deadline = time.monotonic() + 30  # spans are stored a moment after they were taken
    while (found := stored(phoenix))[0] < len(visits) or len(found[1]) < len(turns) + len(visits):
        assert time.monotonic() < deadline, f"{found[0]} traces and {len(found[1])} spans"
        time.sleep(0.5)
    traces, spans = found
    calls = [span for span in spans if span["spanKind"] == "llm"]
    assert (traces, len(spans)) == (len(visits), len(turns) + len(visits))
    assert sum(span["spanKind"] == "agent" for span in spans) == len(visits)
    assert sorted(map(said, calls)) == sorted(turn.completion for turn in turns)


def said(span):
    """Return the answer of a call, as Phoenix shows it."""
    (message,) = json.loads(span["attributes"])["llm"]["output_messages"]
    return message["message"]["content"]
