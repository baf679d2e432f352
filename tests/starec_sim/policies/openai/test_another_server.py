"""The `openai` policy against a server of another project: `transformers serve`."""

import asyncio
import os
import signal
import socket
import sys
import time
import urllib.request

import pytest

from starec_sim.errors import PolicyError
from starec_sim.policies.openai import OpenAIPolicy
from tests.forked import fork, wait

pytestmark = pytest.mark.slow

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("fastapi", reason="transformers serve needs it")

CHAT = [("system", "user item liked"), ("user", "<history>\ndrama war\n</history>\nrank")]


@pytest.fixture(scope="module")
def url(model_folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]

    def serve():
        from transformers.cli.transformers import main

        sys.argv = ["transformers", "serve", str(model_folder), *where]
        main()

    # Forked, so that torch and transformers are not imported again.
    server = fork(serve)
    try:
        for _ in range(600):
            assert os.waitpid(server, os.WNOHANG) == (0, 0), "the server ended"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.kill(server, signal.SIGKILL)
        wait(server)


def ask(policy, **options):
    async def once():
        try:
            return await policy.ainvoke(CHAT, **options)
        finally:
            await policy.aclose()

    return asyncio.run(once())


def test_it_answers_what_the_same_model_answers_here(url, model_folder):
    from starec_sim.policies.local import LocalPolicy

    settings = {"temperature": 0, "max_tokens": 8}
    local = LocalPolicy(model=str(model_folder), dtype="fp32", **settings)
    there = ask(OpenAIPolicy(model=str(model_folder), base_url=url, **settings), seed=3)
    here = ask(local)
    assert there.content == here.content != ""
    assert there.usage_metadata == here.usage_metadata
    assert there.response_metadata["finish_reason"] == here.response_metadata["finish_reason"]


def test_tokens_that_it_does_not_report_are_an_error(url, model_folder):
    policy = OpenAIPolicy(model=str(model_folder), base_url=url, token_ids=True, max_tokens=4)
    with pytest.raises(PolicyError, match="return_token_ids"):
        ask(policy)
