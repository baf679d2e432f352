"""OpenEnv's protocol: messages, refusals, and OpenEnv's own client and validator."""

import asyncio
import socket
import threading

import pytest
import uvicorn
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from starec_sim.experiment import Experiment
from starec_sim.interop.openenv_episode import UserSource
from starec_sim.interop.openenv_manifest import metadata, write_manifest
from starec_sim.interop.openenv_server import UserServer


@pytest.fixture(scope="module")
def source():
    experiment = Experiment(
        name="tiny",
        rounds=2,
        data={"use": "synthetic", "users": 12, "items": 40, "interactions": 12},
        environment={"use": "feed", "recommender": "item-knn", "page_size": 3, "pages": 2},
        policies={"fast": "lexical", "slow": "lexical"},
    )
    return UserSource(experiment, candidates=10)


@pytest.fixture
def client(source):
    server = UserServer(source, metadata(source, None), max_sessions=2)
    return TestClient(server.app(), base_url="http://localhost")


@pytest.fixture
def ask(client):
    """Send one message over a new connection; return the answer."""

    def ask(message):
        with client.websocket_connect("ws://localhost/ws") as connection:
            if isinstance(message, str):
                connection.send_text(message)
            else:
                connection.send_json(message)
            return connection.receive_json()

    return ask


def slate(observation):
    return [item["id"] for item in observation["candidates"]][: observation["slate_size"]]


def test_an_episode_is_played_over_one_connection(client):
    with client.websocket_connect("ws://localhost/ws") as connection:

        def said(kind, **data):
            connection.send_json({"type": kind, "data": data} if data else {"type": kind})
            return connection.receive_json()

        answer = said("reset", seed=3, episode_id="e1")
        assert (answer["type"], answer["data"]["reward"]) == ("observation", None)
        visits = 0
        while not answer["data"]["done"]:
            observation = answer["data"]["observation"]
            answer = said("step", items=slate(observation))
            visits += 1
            (page, *_) = answer["data"]["observation"]["pages"]
            assert [item["id"] for item in page["items"]] == slate(observation)[:3]
        state = said("state")["data"]
        assert (state["episode_id"], state["seed"], state["step_count"]) == ("e1", 3, visits)
        assert answer["data"]["observation"]["slate_size"] == 0
        assert "the episode is over" in said("step", items=["i1"])["data"]["message"]
        assert said("reset", seed=3)["type"] == "observation"


def test_an_observation_holds_the_public_side_only(ask):
    observation = ask({"type": "reset", "data": {"seed": 3}})["data"]["observation"]
    assert set(observation) == {
        *("user", "profile", "history", "round", "rounds", "absent", "slate_size"),
        *("candidates", "pages", "rewards", "problem"),
    }


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ("{", "INVALID_JSON", "not JSON"),
        ("[" * 5000, "INVALID_JSON", "nested more than"),
        ('{"type": "reset", "data": {"seed": NaN}}', "INVALID_JSON", "NaN is not a JSON number"),
        ("[]", "VALIDATION_ERROR", "must be a JSON object"),
        ({"type": "jump"}, "UNKNOWN_TYPE", "there are reset, step, state and close"),
        ({"type": "reset", "data": {"seed": -1}}, "VALIDATION_ERROR", "seed"),
        ({"type": "reset", "data": {"seed": 2**63}}, "VALIDATION_ERROR", "seed"),
        ({"type": "reset", "data": {"sead": 1}}, "VALIDATION_ERROR", "sead"),
        ({"type": "reset", "data": {"user": "nobody"}}, "EXECUTION_ERROR", "no user"),
        ({"type": "step"}, "VALIDATION_ERROR", "data"),
        ({"type": "step", "data": {"items": "i1"}}, "VALIDATION_ERROR", "items"),
        ({"type": "step", "data": {"items": [1]}}, "VALIDATION_ERROR", "items.0"),
        ({"type": "step", "data": {"items": ["i" * 501]}}, "VALIDATION_ERROR", "items.0"),
        ({"type": "step", "data": {"items": ["i1"]}}, "EXECUTION_ERROR", "send reset first"),
    ],
)
def test_a_wrong_message_is_answered_with_an_error(ask, message, code, text):
    answer = ask(message)
    assert (answer["type"], answer["data"]["code"]) == ("error", code)
    assert text in answer["data"]["message"]


def test_there_are_no_more_sessions_than_allowed(client):
    path = "ws://localhost/ws"
    with (
        client.websocket_connect(path),
        client.websocket_connect(path),
        client.websocket_connect(path) as third,
    ):
        assert third.receive_json()["data"]["code"] == "CAPACITY_REACHED"
    with client.websocket_connect("ws://localhost/ws") as again:
        again.send_json({"type": "state"})
        assert again.receive_json()["type"] == "state"


@pytest.mark.parametrize("header", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
def test_pages_of_other_sites_cannot_connect(client, header):
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("ws://localhost/ws", headers=header),
    ):
        pass
    assert client.get("/health", headers=header).status_code == 403


def test_requests_without_a_connection(client):
    reset = client.post("/reset", json={"seed": 3})
    assert (reset.status_code, reset.json()["done"]) == (200, False)
    assert client.post("/reset").status_code == 200
    for body in ("[" * 5000, '{"seed": "x"}', "x" * (2**20 + 1)):
        assert client.post("/reset", content=body).status_code == 422
    step = client.post("/step", json={"action": {"items": []}})
    assert (step.status_code, "/ws" in step.json()["detail"]["message"]) == (422, True)
    assert "/ws" in client.get("/nothing").json()["detail"]
    assert "not audited" in client.get("/metadata").json()["description"]


@pytest.fixture(scope="module")
def url(source):
    """Serve on a port until the tests of this module end."""
    served = UserServer(source, metadata(source, None))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(served.app(), lifespan="off", log_level="warning"))

    async def serve():
        await served.open()
        await server.serve([listening])
        await served.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


OPENENV = "the package openenv is not installed: it needs other versions, see docs/interop-llm.md"


def test_the_client_of_openenv_plays_an_episode(url):
    core = pytest.importorskip("openenv.core", reason=OPENENV)
    with core.GenericEnvClient(base_url=url).sync() as env:
        result = env.reset(seed=3)
        rewards = []
        while not result.done:
            result = env.step({"items": slate(result.observation)})
            rewards.append(result.reward)
        assert env.state()["step_count"] == len(rewards) > 0
        assert all(-1 <= reward <= 1 for reward in rewards)
        with pytest.raises(RuntimeError, match="the episode is over"):
            env.step({"items": ["i1"]})


def test_the_validator_of_openenv_finds_nothing_wrong_with_the_server(url):
    validation = pytest.importorskip("openenv.cli._validation", reason=OPENENV)
    report = validation.validate_running_environment(url)
    assert report["passed"], report["summary"]["failed_criteria"]


def test_the_validator_of_openenv_accepts_the_manifest(source, tmp_path):
    validation = pytest.importorskip("openenv.validation", reason=OPENENV)
    write_manifest(tmp_path, source, None, "starec serve env experiments/00_demo")
    static = validation.Level.STATIC
    report = validation.run_validation(tmp_path, max_level=static, skip_build=True)
    assert report.verdict is validation.Verdict.PASS
