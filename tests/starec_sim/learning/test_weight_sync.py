"""The policy that plays gets each new version, in this process or behind a server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from starec_sim.errors import ConfigError, PolicyError
from starec_sim.learning.weight_sync import LocalWeightSync, ServedWeightSync, weight_sync_of
from starec_sim.policies.gateway import Policy
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.policies.local import LocalPolicy
from starec_sim.policies.openai import OpenAIPolicy


@pytest.fixture
def server():
    """A server that takes adapters as vLLM does, what was posted to it, and what it unloaded."""
    posted, unloaded = [], set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            posted.append((self.path, body))
            if "elsewhere" in body.get("lora_path", ""):
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{self.server.server_port}/v1")
                self.end_headers()
                return
            ok = "missing" not in body.get("lora_path", "") and body["lora_name"] not in unloaded
            ok &= self.headers["Authorization"] in (None, "Bearer secret")
            self.send_response(200 if ok else 404)
            self.end_headers()
            self.wfile.write(b"Success" if ok else b"No adapter found")

        def log_message(self, *arguments):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}/v1", posted, unloaded
    found.shutdown()
    found.server_close()


def test_a_server_reads_each_version_as_an_adapter_and_answers_by_its_name(server, tmp_path):
    url, posted, _ = server
    policy = OpenAIPolicy(model="base", base_url=url, token_ids=True)
    playing = weight_sync_of(Policy("p", policy), "lora")
    assert isinstance(playing, ServedWeightSync)
    for name in ("000001", "000002"):
        playing.load(tmp_path / name, name)
        assert policy.model == name
    first, second = (
        {"lora_name": name, "lora_path": str(tmp_path / name)} for name in ("000001", "000002")
    )
    assert posted == [
        ("/v1/load_lora_adapter", first),
        ("/v1/load_lora_adapter", second),
        ("/v1/unload_lora_adapter", {"lora_name": "000001"}),
    ]


def test_an_adapter_that_a_server_does_not_take_is_named(server, tmp_path):
    policy = OpenAIPolicy(model="base", base_url=server[0], token_ids=True)
    with pytest.raises(PolicyError, match="missing: 404 No adapter found"):
        weight_sync_of(Policy("p", policy), "lora").load(tmp_path / "missing", "1")


def test_a_redirect_is_not_followed(server, tmp_path):
    policy = OpenAIPolicy(model="base", base_url=server[0], token_ids=True)
    with pytest.raises(PolicyError, match="elsewhere: 302"):
        weight_sync_of(Policy("p", policy), "lora").load(tmp_path / "elsewhere", "1")
    assert len(server[1]) == 1


def test_a_server_may_be_restarted_between_two_versions(server, tmp_path):
    url, posted, unloaded = server
    policy = OpenAIPolicy(model="base", base_url=url, token_ids=True)
    playing = weight_sync_of(Policy("p", policy), "lora")
    playing.load(tmp_path / "000001", "000001")
    unloaded.add("000001")
    playing.load(tmp_path / "000002", "000002")
    assert policy.model == "000002"
    assert [path for path, _ in posted][-1] == "/v1/unload_lora_adapter"


def test_adapters_are_sent_with_the_key_and_the_proxy_setting_of_calls(
    server, tmp_path, monkeypatch
):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("MY_KEY", "secret")
    policy = OpenAIPolicy(model="base", base_url=server[0], token_ids=True, api_key_env="MY_KEY")
    weight_sync_of(Policy("p", policy), "lora").load(tmp_path, "1")
    monkeypatch.setenv("MY_KEY", "wrong")
    with pytest.raises(PolicyError, match="404"):
        weight_sync_of(Policy("p", policy), "lora").load(tmp_path, "1")


def test_a_policy_in_this_process_loads_by_itself(model_folder):
    assert isinstance(
        weight_sync_of(Policy("p", LocalPolicy(model=model_folder())), "full"), LocalWeightSync
    )


def test_a_server_cannot_be_given_whole_weights():
    policy = OpenAIPolicy(model="m", base_url="http://localhost/v1", token_ids=True)
    with pytest.raises(ConfigError, match="a server reads new weights as an adapter only"):
        weight_sync_of(Policy("p", policy), "full")


@pytest.mark.parametrize(
    "model", [LexicalPolicy(), OpenAIPolicy(model="m", base_url="http://localhost/v1")]
)
def test_a_policy_that_can_neither_load_weights_nor_report_tokens_is_refused(model):
    with pytest.raises(ConfigError, match="can neither load weights nor report its tokens"):
        weight_sync_of(Policy("p", model), "lora")
