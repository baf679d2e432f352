"""Requests of other sites and other machines are refused."""

import pytest

from tests.starec_sim.viewer.conftest import HOME, PORT

NOTES = "/api/runs/feed/notes"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", f"127.0.0.1:{PORT + 1}", "[::1]"])
def test_another_host_is_refused(client, host):
    answer = client.get("/api/runs", headers={"Host": host})
    assert (answer.status_code, host in answer.text) == (403, True)


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", f"https://127.0.0.1:{PORT}", f"{HOME}.evil.example"]
)
def test_another_origin_is_refused(client, origin):
    assert client.get("/api/runs", headers={"Origin": origin}).status_code == 403


def test_localhost_is_this_machine_too(client):
    host = f"localhost:{PORT}"
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert client.get("/api/runs", headers=headers).status_code == 200


def test_a_page_of_another_site_may_lead_here_but_embed_nothing(client):
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/", headers=cross).status_code == 200
    assert client.get("/api/runs", headers=cross).status_code == 403
    assert client.get("/app.js", headers=cross).status_code == 403


@pytest.mark.parametrize("missing", ["Origin", "X-Starec"])
def test_a_change_needs_the_headers_of_an_own_page(client, own, missing):
    del own[missing]
    assert client.post(NOTES, json={}, headers=own).status_code == 403


def test_a_change_has_to_be_json_of_a_bounded_size(client, own):
    plain = {**own, "Content-Type": "text/plain"}
    assert client.post(NOTES, content="{}", headers=plain).status_code == 415
    large = {**own, "Content-Type": "application/json"}
    assert client.post(NOTES, content=b" " * (3 << 20), headers=large).status_code == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(client, method):
    assert client.request(method, "/api/runs").status_code == 405


def test_what_cannot_be_changed_takes_no_post(client, own):
    assert client.post("/api/runs/feed", json={}, headers=own).status_code == 405


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/runs", "/api/runs/none", "/nothing"])
def test_every_answer_has_the_headers_that_protect_it(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
