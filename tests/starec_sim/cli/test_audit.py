"""`starec audit`: a page, a summary, one JSON object."""

import json

DATA = ("--data", "synthetic", "--users", "6")


def test_an_audit_prints_a_verdict_and_leaves_a_page(starec, here):
    said = starec("audit", "lexical", *DATA, "--only", "position,leak")
    assert said.status == 0, said.err
    assert "Position" in said.out and "Leak guard" in said.out and "tau" in said.out
    assert "lexical on synthetic, 6 users" in " ".join(said.out.split())
    page = here / "audits" / "lexical-synthetic-6users-position-leak-seed0.html"
    html = page.read_text()
    assert html.startswith("<!doctype html>") and html.count("<svg") == 2
    found = json.loads(page.with_suffix(".json").read_text())
    assert set(found["audits"]) == {"position", "leak"}


def test_as_json_it_is_one_object(starec, here):
    answer = starec("audit", "lexical", *DATA, "--only", "form", "--json").answer
    assert answer["about"]["users"] == 6
    assert answer["audits"]["form"]["figures"]["malformed"]["mean"] == 0.0
    assert answer["fit"] is True


def test_what_is_wrong_is_told(starec, here):
    said = starec("audit", "lexical", *DATA, "--only", "positon")
    assert said.status == 2 and 'did you mean "position"' in said.err
    said = starec("audit", "lexicla", *DATA)
    assert said.status == 2 and 'did you mean "lexical"' in said.err
    said = starec("audit", "lexical", "--data", "nowhere")
    assert said.status == 2 and "neither a file or folder nor a dataset" in said.err
    said = starec("audit", "lexical", *DATA, "--bounds", "nowhere.yaml")
    assert said.status == 2 and "there is no file nowhere.yaml" in said.err
