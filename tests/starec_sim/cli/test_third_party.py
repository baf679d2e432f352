"""Plug-ins of another installed package are found by its entry points."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from starec_sim.plugins import registered

SOURCE = Path(__file__).parents[2] / "fixtures" / "third_party_plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place = tmp_path_factory.mktemp("third party")
    source = shutil.copytree(SOURCE, place / "source")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


@pytest.fixture(autouse=True)
def installed(site, here, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    registered.cache_clear()
    yield
    registered.cache_clear()


def test_its_plug_ins_are_listed_beside_ours(starec):
    listed = starec("plugins", "--json").answer["plugins"]
    assert {(p["kind"], p["name"], p["problem"]) for p in listed if "teahouse" in p["from"]} == {
        ("agents", "sipper", ""),
        ("datasets", "leaves", ""),
        ("environments", "teahouse", ""),
        ("policies", "polite", ""),
        ("recommenders", "house-blend", ""),
    }
    assert "from starec-teahouse" in starec("plugins").out


def test_they_play_together_and_with_ours(starec, here):
    (here / "tea.yaml").write_text(
        "name: tea\n"
        "rounds: 2\n"
        "data: {use: leaves, guests: 5}\n"
        "environment: {use: teahouse, offered: 2}\n"
        "policies: {fast: {use: polite, stars: 5}, slow: polite}\n"
        "arms:\n"
        "  star: {}\n"
        "  sipper: {agent.use: sipper}\n"
        "  popular: {environment.recommender: popularity}\n"
        "  lexical: {policies.fast: lexical}\n"
    )
    answer = starec("run", "tea.yaml", "--json").answer
    cups = {arm: figures["cups"]["mean"] for arm, figures in answer["metrics"].items()}
    assert (cups["star"], cups["sipper"], cups["popular"]) == (10, 5, 10)
    life = starec("show", "latest", "--user", "guest 3", "--arm", "sipper", "--json").answer
    assert life["steps"][0]["ending"] == "went home"
    assert life["steps"][0]["turns"][0]["policy"] == "polite"
    page = starec("show", "latest", "--user", "guest 3", "--arm", "sipper").out
    assert "went home" in page
    assert "never thinks twice" in page


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("data.guest=3", "data.guest"),
        ("environment.ofered=3", "environment.ofered"),
        ("environment.recommender.frst=3", "environment.recommender.frst"),
        ("policies.fast={use: polite, star: 3}", "policies.fast.star"),
        ("agent={use: sipper, greting: hi}", "agent.greting"),
    ],
)
def test_a_wrong_key_in_them_is_named(starec, here, change, key):
    (here / "tea.yaml").write_text("name: tea\ndata: leaves\nenvironment: teahouse\n")
    said = starec("run", "tea.yaml", "--json", "--set", change)
    assert said.status == 2
    assert said.answer["error"].startswith(f"{key}: there is no such key; did you mean")
    assert not (here / "runs").exists()
