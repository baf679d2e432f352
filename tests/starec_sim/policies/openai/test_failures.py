"""Failures of the `openai` policy: their cause, and an error that says what, why and what next."""

import socket
import threading

import pytest

from starec_sim.errors import PolicyError
from starec_sim.policies.gateway.failures import retry_after_s
from starec_sim.policies.openai import OpenAIPolicy
from tests.starec_sim.policies.openai.asking import KEY, ask, refusal


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        *((408, "endpoint"), (429, "overload"), (500, "endpoint"), (503, "overload")),
        *((400, "refused"), (413, "refused"), (422, "refused")),
        *((401, "closed"), (402, "closed"), (403, "denied"), (404, "denied")),
    ],
)
def test_a_status_says_whether_to_ask_again(endpoint, status, cause):
    endpoint.replies({"status": status, "json": {"error": {"message": "no"}}})
    with pytest.raises(PolicyError) as raised:
        ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert raised.value.cause == cause
    assert len(endpoint.bodies) == 1, "the gateway repeats calls, and nobody else"


def test_an_empty_account_is_no_overload(endpoint):
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    endpoint.replies({"status": 429, "json": {"error": error}})
    with pytest.raises(PolicyError) as raised:
        ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert raised.value.cause == "closed"


def test_the_time_that_a_server_asks_to_wait_is_passed_on(endpoint):
    endpoint.replies({"status": 429, "text": "", "headers": {"Retry-After": "7"}})
    with pytest.raises(PolicyError) as raised:
        ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert raised.value.retry_after_s == 7


def test_a_time_to_wait_for_is_read_on_the_clock_of_the_server():
    headers = {
        "date": "Mon, 01 Jan 2001 00:00:00 GMT",
        "retry-after": "Mon, 01 Jan 2001 00:00:09 GMT",
    }
    assert retry_after_s(headers) == 9


def test_a_server_error_says_what_the_server_said(endpoint):
    endpoint.replies({"status": 500, "text": "worker died"})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert f"{endpoint.url} failed (500): worker died" in message


def test_a_refused_request_names_what_was_wrong(endpoint):
    endpoint.replies({"status": 400, "json": {"error": {"message": "no such parameter: seed"}}})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url), seed=7)
    assert "refused the request (400): no such parameter: seed" in message
    assert message.endswith("hint: set seeded: false; then start anew, a resume keeps its settings")


# Messages


def test_no_server_at_the_address():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused, and nobody else's
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        message = refusal(OpenAIPolicy(model="tiny", base_url=url))
    assert f"no connection to {url}: ConnectionRefusedError" in message
    assert f"is the server running? try: curl {url}/models" in message


def test_a_host_without_an_address(monkeypatch):
    def unknown(host, *_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "http://nowhere.invalid/v1"
    message = refusal(OpenAIPolicy(model="tiny", base_url=url))
    assert f"no connection to {url}: gaierror" in message
    assert "Name or service not known" in message


def test_a_server_that_hangs_up(endpoint):
    endpoint.replies({"drop": True})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert f"no connection to {endpoint.url}" in message


def test_a_server_that_does_not_speak_http():
    def greet():
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        message = refusal(OpenAIPolicy(model="tiny", base_url=url))
        thread.join()
    assert f"{url} answers in what is no valid HTTP: BadStatusLine" in message


def test_a_server_that_hangs_times_out_after_timeout_s(endpoint):
    endpoint.replies({"hang": True})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, timeout_s=0.5)
    message = refusal(policy)
    assert f"{endpoint.url} was silent for timeout_s = 0.5 seconds" in message
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_named_by_its_variable_and_never_shown(endpoint, status):
    endpoint.replies({"status": status, "json": {"error": {"message": f"bad key {KEY}"}}})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, api_key_env="OPENAI_API_KEY")
    message = refusal(policy)
    assert f"with the key in OPENAI_API_KEY ({status}): bad key ***" in message
    assert "export OPENAI_API_KEY=..." in message


def test_a_missing_key_is_fine_until_the_server_wants_one(endpoint):
    endpoint.replies({"json": endpoint.completion()}, {"status": 401, "json": {"detail": "who?"}})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, api_key_env="UNSET_KEY")
    assert ask(policy).content == "hello"
    assert "with no key, UNSET_KEY unset (401): who?" in refusal(policy)
    assert KEY not in str(endpoint.headers)


def test_the_key_for_openai_is_sent_nowhere_else(endpoint):
    ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert KEY not in str(endpoint.headers)


def test_openai_itself_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    message = refusal(OpenAIPolicy(model="gpt"))
    assert "https://api.openai.com/v1 needs a key, and OPENAI_API_KEY is not set" in message
    assert "hint: export OPENAI_API_KEY=..." in message


def test_a_key_no_header_can_carry(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "…")
    policy = OpenAIPolicy(model="m", base_url=endpoint.url, api_key_env="OPENAI_API_KEY")
    assert "the key in OPENAI_API_KEY" in refusal(policy)


def test_an_unknown_model(endpoint):
    body = {"object": "error", "message": "The model `tinny` does not exist.", "code": 404}
    endpoint.replies({"status": 404, "json": body})
    message = refusal(OpenAIPolicy(model="tinny", base_url=endpoint.url))
    assert 'no model "tinny"' in message
    assert "The model `tinny` does not exist." in message
    assert f"curl {endpoint.url}/models" in message
    assert "should base_url be" not in message


def test_a_base_url_without_its_version(endpoint):
    root = endpoint.url.removesuffix("/v1")
    message = refusal(OpenAIPolicy(model="tiny", base_url=root + "/"))
    assert f"should base_url be {root}/v1?" in message


def test_a_prompt_that_does_not_fit(endpoint):
    message = "This model's maximum context length is 4096 tokens. However, you requested 9000."
    endpoint.replies({"status": 400, "json": {"message": message}})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert 'does not fit the context of "tiny" (400): This model\'s maximum' in message


def test_a_quota_that_is_used_up(endpoint):
    endpoint.replies({"status": 429, "json": {"error": {"message": "quota"}}})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "takes no more requests (429): quota" in message


def test_a_long_message_of_a_server_is_cut(endpoint):
    endpoint.replies({"status": 422, "json": {"detail": [{"msg": "x" * 5000}]}})
    assert len(refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))) < 600
