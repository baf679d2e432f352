"""LangGraph's own server, `langgraph dev`, plays and forks visits of recorded users."""

import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from starec_sim import Experiment, read_run, run

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (
            importlib.util.find_spec("langgraph_api") and importlib.util.find_spec("langgraph_cli")
        ),
        reason="LangGraph's server is not installed; `make test-studio` installs it",
    ),
]
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run of which users are opened."""
    return run(
        Experiment.model_validate(
            {
                "name": "studio",
                "rounds": 4,
                "seed": 3,
                "data": {"use": "synthetic", "users": 10, "items": 120},
                "environment": {"use": "feed", "recommender": "ease", "activity": 1.0, "pages": 2},
                "policies": {"fast": "lexical", "slow": "lexical"},
                "runs_dir": tmp_path_factory.mktemp("runs"),
            }
        )
    ).folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address and log of a server; it works in a copy, because it writes files beside its cwd."""
    home = tmp_path_factory.mktemp("studio")
    shutil.copy(ROOT / "langgraph.json", home)
    (home / "agents").symlink_to(ROOT / "agents")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Nothing outside this machine answers: whatever the server tried to reach is refused.
    unreachable = dict.fromkeys(PROXIES, "http://127.0.0.1:9")
    environment = {**os.environ, **unreachable, "no_proxy": "127.0.0.1,localhost"}
    log = home / "log"
    command = ["-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=home, env=environment, stdout=out, stderr=out
        )
        try:
            yield _when_ready(f"http://127.0.0.1:{port}", process, log), log
        finally:
            process.terminate()
            process.wait(20)


def _when_ready(url, process, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/ok").close()
        except OSError:
            time.sleep(0.1)
        else:
            return url
    raise AssertionError(log.read_text())


@pytest.fixture
def ask(server):
    """Run a coroutine with a client of the server."""
    from langgraph_sdk import get_client

    def ask(work):
        async def main():
            async with get_client(url=server[0]) as client:
                return await work(client)

        return asyncio.run(main())

    return ask


def steps_of(state):
    return state["values"]["steps"]


def test_the_server_offers_three_graphs_with_their_panels(ask):
    async def look(client):
        found = await client.assistants.search()
        return {
            each["graph_id"]: await client.assistants.get_schemas(each["assistant_id"])
            for each in found
        }

    schemas = ask(look)
    assert schemas.keys() == {"star", "agentcf", "llmrank"}
    panel = schemas["star"]["context_schema"]["properties"]
    assert {"dataset", "environment", "policy", "gate", "prompt_reflect"} <= panel.keys()
    assert panel["prompt_reflect"]["langgraph_type"] == "prompt"
    assert panel["prompt_reflect"]["langgraph_nodes"] == ["slow"]
    assert schemas["star"]["input_schema"]["required"] == ["user"]


def test_a_recorded_user_is_stepped_edited_and_forked(ask, recorded, server):
    typed = {"run": str(recorded), "user": "u6", "round": 3}
    table = read_run(recorded).table("steps")
    rows = [
        at
        for at, key in enumerate(zip(table["user"], table["round"], strict=True))
        if key == ("u6", 2)
    ]
    watched = [set(table["watched"][at]) for at in rows]
    titles = {row.item: row.title for row in read_run(recorded).items()}

    async def work(client):
        thread = (await client.threads.create())["thread_id"]
        nodes = []
        async for part in client.runs.stream(
            thread, "star", input=typed, stream_mode="updates", interrupt_before=["respond"]
        ):
            nodes += part.data if part.event == "updates" else []
            assert part.event != "error", part.data
        stopped = await client.threads.get_state(thread)
        whole = await client.runs.wait(thread, "star", input=None)
        history = await client.threads.get_history(thread, limit=100)
        before = next(
            each for each in history if each["next"] == ["respond"] and not steps_of(each)
        )
        shown = before["values"]["observation"]["slate"]
        actions = [{"item": item, "kind": "skip"} for item in shown]
        fork = await client.threads.update_state(
            thread,
            {"decision": {"actions": actions, "leave": True}},
            as_node="fast",
            checkpoint_id=before["checkpoint"]["checkpoint_id"],
        )
        forked = await client.runs.wait(
            thread, "star", input=None, checkpoint_id=fork["checkpoint"]["checkpoint_id"]
        )
        return nodes, stopped, whole, forked

    nodes, stopped, whole, forked = ask(work)
    assert [node for node in nodes if node != "__interrupt__"] == ["perceive", "fast"]
    assert stopped["next"] == ["respond"]
    assert "the recorded decisions of rounds 1 to 2, replayed" in stopped["values"]["opened"]
    assert len(whole["steps"]) == len(rows)
    assert {turn["source"] for step in whole["steps"] for turn in step["turns"]} == {"replay"}
    ids = list(titles)
    assert [
        {ids[each["item"]] for each in step["decision"]["actions"] if each["kind"] != "skip"}
        for step in whole["steps"]
    ] == watched
    (left,) = forked["steps"]
    assert left["feedback"]["ending"] == "left"
    log = server[1].read_text()
    assert "unregistered type" not in log
    assert "deserializ" not in log.casefold()


def test_the_panel_changes_gate_prompt_and_policy(ask):
    async def play(client, context):
        values = await client.runs.wait(
            None, "star", input={"user": 3}, context=context, raise_error=False
        )
        return values

    assert all(
        step["verdict"]["slow"] is False
        for step in ask(lambda client: play(client, {"gate": "never"}))["steps"]
    )
    error = ask(lambda client: play(client, {"prompt_reflect": "no parts"}))
    assert "lacks" in str(error)
    world = {"environment": "{use: ranking, candidates: 5}", "policy": "lexical"}
    (step,) = ask(lambda client: play(client, world))["steps"]
    assert len(step["observation"]["slate"]) == 5


def test_who_is_not_there_is_named(ask, recorded):
    async def play(client):
        return [
            str(await client.runs.wait(None, "star", input=typed, raise_error=False))
            for typed in (
                {"user": "nobody"},
                {"user": 3, "round": 0},
                {"run": str(recorded), "user": "u99", "round": 2},
                {"run": str(recorded), "user": "u1", "round": 9},
                {"run": "no-such-run", "user": "u1"},
            )
        ]

    nobody, zeroth, absent, late, lost = ask(play)
    assert "no user has the id" in nobody
    assert "rounds count from 1" in zeroth
    assert "no user of this trial" in absent
    assert "4 recorded rounds" in late
    assert "no runs" in lost or "no run" in lost
