"""Requests that the endpoint refuses, and clients that disconnect."""

import json
import threading

import httpx
import pytest

from starec_sim.serving.endpoint import MAX_BODY

HI = [{"role": "user", "content": "hi"}]
QUESTION = {"model": "tiny", "messages": HI}


@pytest.fixture(scope="module")
def model(speaker):
    return speaker()


@pytest.fixture(scope="module")
def url(serve_module, model):
    return serve_module(model)


@pytest.fixture
def post(url):
    """Send a body as it is; return the status and the body of the response."""

    def post(body, kind="application/json"):
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        answer = httpx.post(
            f"{url}/chat/completions", content=content, headers={"content-type": kind}
        )
        return answer.status_code, answer.json()

    return post


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 1000}, "n"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0.content"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [1]}]}, "messages.0"),
        ({"tempreature": 1}, "tempreature"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function"}]}, None),
        ({"logit_bias": {"5": 1}}, None),
        ({"top_logprobs": 5}, None),
        ({"frequency_penalty": 0.5}, None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_key_that_has_no_effect_here_is_refused_by_name(post, model, changed, param, stream):
    model.calls.clear()
    status, response = post({**QUESTION, "stream": stream, **changed})
    assert status == 400
    error = response["error"]
    assert error["type"] == "invalid_request_error"
    assert param is None or error["param"].startswith(param)
    assert next(iter(changed)) in error["message"]
    assert not model.calls


@pytest.mark.parametrize(
    "asked_for_nothing",
    [
        {"frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "tools": []},
        {"response_format": {"type": "text"}, "top_logprobs": 0, "temperature": None, "n": None},
        {"user": "me", "metadata": {"run": "1"}, "store": False, "service_tier": "auto"},
    ],
)
def test_keys_that_ask_for_nothing_are_accepted(post, asked_for_nothing):
    assert post({**QUESTION, **asked_for_nothing})[0] == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("", "application/json", 400),
        ("{", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ("[]", "application/json", 400),
        ("null", "application/json", 400),
        ('{"model": NaN}', "application/json", 400),
        (b"\xff\xfe{", "application/json", 400),
        ("{}", "text/plain", 415),
        ("x" * (MAX_BODY + 1), "application/json", 413),
    ],
)
def test_a_bad_body_is_refused_in_openais_format(post, body, kind, status):
    answered, response = post(body, kind)
    assert answered == status
    assert response["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "chat/completions", 405), ("POST", "responses", 404)]
)
def test_an_unknown_path_lists_the_known_ones(url, method, path, status):
    answer = httpx.request(method, f"{url}/{path}")
    assert answer.status_code == status
    assert "/v1/chat/completions" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:9999"}, 200),
        ({"host": "[::1]:9999"}, 200),
        ({"host": "evil.example:8000"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "["}, 403),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_web_pages_of_other_sites_are_refused(url, headers, status):
    answer = httpx.get(f"{url}/models", headers=headers)
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status == 403)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_an_answer_is_cancelled_when_its_client_disconnects(serve, speaker, stream, n):
    model = speaker(slow=True)
    url = f"{serve(model)}/chat/completions"
    body = {**QUESTION, "stream": stream, "n": n}
    if stream:
        with httpx.Client() as client, client.stream("POST", url, json=body) as answer:
            assert b"said" in next(answer.iter_raw())
    else:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=body, timeout=0.5)
    assert model._cancelled.wait(5)


def test_too_many_requests_at_once_are_told_to_come_later(serve, speaker, monkeypatch):
    monkeypatch.setattr("starec_sim.serving.endpoint.MAX_IN_FLIGHT", 2)
    model = speaker(slow=True)
    url = f"{serve(model)}/chat/completions"
    body = {**QUESTION, "n": 2}

    def wait():
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=body, timeout=1)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert model._asked.wait(5)
    answer = httpx.post(url, json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    waiting.join()
