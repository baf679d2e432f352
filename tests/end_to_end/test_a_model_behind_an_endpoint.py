"""A whole run against a server that speaks OpenAI's format, well and badly."""

import asyncio
import threading

import pytest
from aiohttp import web
from langchain_core.messages import HumanMessage

from starec_sim import experiment, runner
from starec_sim.errors import PausedError
from starec_sim.policies.lexical import LexicalPolicy

pytestmark = pytest.mark.slow


class Server:
    """Answers like `lexical`; after `dies_after` requests it answers 500 to everything."""

    def __init__(self):
        self.requests = 0
        self.dies_after = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    async def _answer(self, request):
        self.requests += 1
        if self.dies_after is not None and self.requests > self.dies_after:
            return web.json_response({"error": {"message": "out of order"}}, status=500)
        body = await request.json()
        asked = [m["content"] for m in body["messages"] if m["role"] == "user"]
        said = await LexicalPolicy().ainvoke([HumanMessage(asked[0])])
        choice = {"index": 0, "message": {"role": "assistant", "content": said.text}}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        return web.json_response({"choices": [choice], "usage": usage, "model": body["model"]})

    def _serve(self):
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def path(server, write_experiment):
    policy = {"use": "openai", "model": "tiny", "base_url": server.url}
    gateway = {"retries": 1, "backoff_s": 0}
    return write_experiment(rounds=2, policies={"fast": policy, "slow": policy}, gateway=gateway)


def test_a_model_behind_an_endpoint_plays_like_the_same_model_at_hand(path, server, quiet):
    remote = runner.run(experiment.read_experiment(path), quiet)
    local = ["policies.fast=lexical", "policies.slow=lexical"]
    here = runner.run(experiment.read_experiment(path, local), quiet)
    assert repr(remote.report.metrics) == repr(here.report.metrics)
    assert remote.digest != here.digest, "who answered is part of the record"


def test_an_endpoint_that_breaks_down_pauses_the_run_and_loses_nothing(path, server, quiet):
    whole = runner.run(experiment.read_experiment(path), quiet)
    asked = server.requests
    server.dies_after = asked + asked // 2
    with pytest.raises(PausedError, match="out of order"):
        runner.run(experiment.read_experiment(path), quiet)
    (broken,) = [run for run in whole.folder.parent.iterdir() if run != whole.folder]
    server.dies_after, before = None, server.requests
    resumed = runner.resume(broken, quiet)
    assert resumed.digest == whole.digest
    # What was answered before the breakdown is not asked again; of the calls that were in flight
    # when it came, at most one for each visitor, some answers were dropped.
    answered, visitors = asked // 2, 12
    assert server.requests - before <= asked - answered + visitors < asked
