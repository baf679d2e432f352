"""NeMo Gym's own base class serves the example, and rewards what the rows ask for."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip(
    "nemo_gym", reason="nemo-gym needs Python 3.12 and versions that others do not take"
)
from fastapi.testclient import TestClient

APP = Path(__file__).parents[3] / "docs" / "examples" / "nemo_gym" / "app.py"
EXPERIMENT = """\
name: tiny
data: {use: synthetic, users: 12, items: 40, interactions: 12}
environment: {use: ranking, candidates: 4, choices: 2, sequence: 8, min_interactions: 4}
"""


class NoClient:
    """The server asks no other one."""


def test_an_answer_to_a_row_earns_its_reward(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(EXPERIMENT)
    app = runpy.run_path(str(APP))
    settings = app["UsersConfig"](
        host="127.0.0.1",
        port=8000,
        entrypoint="app.py",
        name="users",
        domain="other",
        experiment=str(config),
        rewards={"tier": 1.0, "format": 0.5},
    )
    server = app["UsersServer"].model_construct(config=settings, server_client=NoClient())
    row = next(app["rows"](app["QuestionSource"](str(config)), users=1))
    assert [message["role"] for message in row["responses_create_params"]["input"]] == [
        "system",
        "user",
    ]
    with TestClient(server.setup_webserver()) as client:
        assert client.post("/seed_session", json={}).status_code == 200
        good = client.post("/verify", json=row | _answer("<ranking>A > B > C > D</ranking>")).json()
        bad = client.post("/verify", json=row | _answer("no idea")).json()
        other = client.post("/verify", json=row | {"user": "u0"} | _answer("no idea"))
    assert good["reward"] == good["components"]["tier"] + 0.5
    assert (bad["reward"], bad["counters"]["malformed"]) == (-1.0, 1.0)
    assert other.status_code == 422
    assert other.json()["detail"].startswith('no user "u0" visits')


def _answer(text):
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }
    return {
        "response": {
            "id": "r",
            "created_at": 0,
            "model": "m",
            "object": "response",
            "output": [message],
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
        }
    }
