"""`starec serve` as a process, stopped by Ctrl-C."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("uvicorn")

STAREC = [sys.executable, "-m", "starec_sim"]
HI = {"model": "lexical", "messages": [{"role": "user", "content": "A. Up"}]}


@pytest.fixture
def start():
    started = []

    def start(*arguments):
        command = [*STAREC, "serve", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(url):
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(HI).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


SLOW = """
import asyncio
from starec_sim.policies.lexical import LexicalPolicy

class Slow(LexicalPolicy):
    \"\"\"Answers the first call, and no other.\"\"\"

    asked: int = 0

    async def _agenerate(self, *messages, **options):
        self.asked += 1
        if self.asked > 1:
            await asyncio.sleep(3600)
        return await super()._agenerate(*messages, **options)
"""


def test_it_says_where_it_is_answers_and_tells_who_waits_that_it_leaves_at_ctrl_c(start, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    server = start(f"{tmp_path / 'slow.py'}:Slow", "--name", "lexical", "--port", "0")
    url = server.stdout.readline().strip()
    assert ask(url)["choices"][0]["message"]["content"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, url)
        time.sleep(1)
        server.send_signal(signal.SIGINT)
        with pytest.raises(urllib.error.HTTPError) as told:
            waiting.result(30)
    assert told.value.code == 503
    assert "being stopped" in json.load(told.value)["error"]["message"]
    out, err = server.communicate(timeout=30)
    assert (server.returncode, out) == (0, "")
    assert f'model: "lexical", base_url: "{url}"' in err
    assert "Stopped after 1 answers." in err
    assert "Traceback" not in err


def test_with_json_it_tells_at_the_end_what_it_did(starec, monkeypatch):
    url = "http://127.0.0.1:1/v1"

    def serve(endpoint, port, ready):
        ready(url)
        raise KeyboardInterrupt

    monkeypatch.setattr("starec_sim.serving.server.serve", serve)
    said = starec("serve", "lexical", "--name", "floor", "--json")
    assert said.err.startswith(f"{url}\n")
    assert said.answer == {"status": "stopped", "model": "floor", "url": url, "answered": 0}


def test_a_port_that_is_taken_is_named(starec):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = starec("serve", "lexical", "--port", port)
    assert said.status == 2
    assert f"port {port} cannot be used" in said.err
    assert "--port" in said.err.partition("hint:")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lexicla"], 'did you mean "lexical"?'),
        (["lexical,curiousity=1"], "curiousity: there is no such key"),
        (["openai"], "model: this key is required"),
        (["starec_sim.types:Turn"], "neither a chat model"),
        (["lexical", "--port", "70000"], "Invalid value for '--port'"),
    ],
)
def test_what_cannot_be_served_is_said(starec, arguments, said):
    told = starec("serve", *arguments)
    assert told.status == 2
    assert said in told.err
    assert told.out == ""
