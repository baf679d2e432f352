"""`starec audit`: a page, a summary, one JSON object."""

import json

import pytest

pytestmark = pytest.mark.slow

DATA = ("--data", "synthetic,users=24,items=150", "--users", "4")


def test_an_audit_prints_a_verdict_and_leaves_a_page(starec, here):
    said = starec("audit", "lexical", *DATA, "--only", "position,leak")
    assert said.status == 0, said.err
    assert "Position" in said.out and "Leak guard" in said.out and "tau" in said.out
    verdict = " ".join(said.out.split())
    assert "lexical on synthetic, 4 users" in verdict and "Fit to simulate" not in verdict
    assert "not audited: form, popularity," in verdict
    (folder,) = (here / "runs").iterdir()
    html = (folder / "audit.html").read_text()
    assert html.startswith("<!doctype html>") and html.count("<svg") == 2
    found = json.loads((folder / "audit.json").read_text())
    assert set(found["audits"]) == {"position", "leak"}
    assert not (here / "audits").exists()


def test_the_page_is_written_to_a_further_folder_under_a_name_that_says_what_was_asked(
    starec, here
):
    asked = ("audit", "lexical", *DATA, "--only", "position,leak", "--into", "audits", "--json")
    answer = starec(*asked).answer
    page = here / "audits" / "lexical-synthetic-4users-position-leak-seed0.html"
    assert here / answer["page"] == page and page.read_text().count("<svg") == 2
    found = json.loads(page.with_suffix(".json").read_text())
    assert set(found["audits"]) == {"position", "leak"}
    assert found["page"] == answer["page"]
    again = starec(*asked).answer
    assert again["audits"] == answer["audits"] and again["run"] != answer["run"]
    ledger = starec("show", again["run"], "--json").answer["ledger"]
    assert all(entry["cache_hits"] == entry["calls"] for entry in ledger["calls"])


def test_a_stopped_audit_is_listed_shown_and_resumed(starec, here, monkeypatch):
    from starec_sim.evaluation.audits.panel import Panel

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Panel, "__init__", stop)
        said = starec("audit", "lexical", *DATA, "--only", "form")
    assert said.status == 130 and "resume runs/audit-lexical-s0-" in said.err
    (row,) = starec("runs", "--json").answer["runs"]
    assert (row["kind"], row["status"], row["arms"]) == ("audit", "paused", ["audit"])
    shown = starec("show", "latest")
    assert "10 choices of each user are replayed" in shown.out and "resume" in shown.out
    assert "trials" in starec("show", "latest", "--json").answer
    resumed = starec("resume", "latest", "--json").answer
    assert resumed["status"] == "finished" and resumed["fit"] is True
    assert starec("resume", "latest", "--json").answer == resumed
    shown = starec("show", "latest", width=200)
    assert "audit.html" in shown.out and "Fit in what was audited" in shown.out
    assert starec("show", "latest", "--json").answer["audits"] == resumed["audits"]
    user = shown.out.rpartition("--user ")[2].split()[0]
    assert starec("show", "latest", "--user", user).status == 0
    said = starec("replay", "latest")
    assert said.status == 2 and "is an audit" in said.err


def test_an_audit_that_spent_its_budget_says_how_it_goes_on(starec, here):
    asked = ("audit", "lexical", *DATA, "--only", "form")
    said = starec(*asked, "--budget", "calls=5")
    (folder,) = (here / "runs").iterdir()
    assert said.status == 3 and "the budget is spent: calls 5 of 5" in said.err
    assert f"starec resume runs/{folder.name} --budget calls=10\n" in said.err
    said = starec(*asked, "--budget", "calls=none")
    assert said.status == 0 and list((here / "runs").iterdir()) == [folder]


def test_the_same_command_goes_on_unless_it_is_told_to_begin_anew(starec, here, monkeypatch):
    from starec_sim.evaluation.audits.panel import Panel

    def stop(*_):
        raise KeyboardInterrupt

    asked = ("audit", "lexical", *DATA, "--only", "form", "--json")
    with monkeypatch.context() as patched:
        patched.setattr(Panel, "__init__", stop)
        begun = starec(*asked).answer
    fresh = starec(*asked, "--fresh").answer
    again = starec(*asked).answer
    assert begun["run"] == again["run"] != fresh["run"]
    assert again["audits"] == fresh["audits"]
    assert fresh["about"]["users"] == 4 and fresh["fit"] is True
    assert fresh["audits"]["form"]["figures"]["malformed"]["mean"] == 0.0


def test_what_is_wrong_is_told(starec, here):
    said = starec("audit", "lexical", *DATA, "--only", "positon")
    assert said.status == 2 and 'did you mean "position"' in said.err
    said = starec("audit", "lexicla", *DATA)
    assert said.status == 2 and 'did you mean "lexical"' in said.err
    said = starec("audit", "lexical", *DATA, "--budget", "cals=5")
    assert said.status == 2 and 'did you mean "calls"' in said.err
    paid = "openai,model=m,base_url=http://localhost:1"
    said = starec("audit", paid, *DATA, "--budget", "usd=5")
    assert said.status == 2 and "budget.usd: policy has no price" in said.err
    said = starec("audit", "lexical", "--data", "nowhere")
    assert said.status == 2 and "neither a file or folder nor a dataset" in said.err
    said = starec("audit", "lexical", *DATA, "--bounds", "nowhere.yaml")
    assert said.status == 2 and "there is no file nowhere.yaml" in said.err
