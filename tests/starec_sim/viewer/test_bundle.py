"""A saved page holds what was asked for, within its size, and runs nothing else."""

import base64
import json
import re
import zlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import RunError
from starec_sim.traces import traits
from starec_sim.viewer import bundle
from starec_sim.viewer.bundle import MAX_BYTES, make_bundle
from starec_sim.viewer.compact import Nodes, Packed

TEXTS = st.text(max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def expanded(packed):
    """Rebuild the answers of a page, as expand.js does."""
    *nodes, parts = json.loads(zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS))
    built = []
    for node in nodes:
        if isinstance(node, list):
            kind, *rest = node
            inner = rest if kind == "numbers" else [built[place] for place in rest]
            if kind == "lines":
                inner = "\n".join(inner)
            if kind == "object":
                inner = dict(zip(inner[0], inner[1:], strict=True))
            node = inner
        built.append(node)
    return {path: value for place in parts for path, value in built[place].items()}


def embedded(page):
    (text,) = re.findall(r'<script type="text/plain" id="packed">(.*?)</script>', page)
    return expanded(text)


def packed(nodes, *places):
    parts = [nodes.object({str(n): place}) for n, place in enumerate(places)]
    packed = Packed(10_000_000)
    assert packed.add("[") and packed.add(nodes.written(0))
    return packed.base64(f"{parts}]")


@given(VALUES)
def test_values_are_rebuilt_as_they_were(value):
    nodes = Nodes()
    root = nodes.add(value)
    assert json.dumps(expanded(packed(nodes, root))) == json.dumps({"0": value})


@given(VALUES, VALUES)
def test_what_does_not_fit_is_removed_without_a_trace(kept, removed):
    nodes, alone = Nodes(), Nodes()
    root = nodes.add(kept)
    count = len(nodes)
    nodes.add(removed)
    nodes.keep(count)
    assert packed(nodes, root) == packed(alone, alone.add(kept))


@given(st.lists(TEXTS), st.integers(0, 100))
def test_text_is_packed_as_far_as_there_is_room(texts, most):
    packed = Packed(most)
    fitting = [text for text in texts if packed.add(text)]
    data = base64.b64decode(packed.base64(""))
    assert zlib.decompress(data, -zlib.MAX_WBITS).decode() == "".join(fitting)
    assert len(data) <= most + 10


def test_markup_in_a_run_does_not_become_markup_of_the_page():
    nodes = Nodes()
    assert "<" not in packed(nodes, nodes.add({"</script><script>": "<!-- </script>\n<script>"}))


def test_it_holds_a_run_and_the_steps_of_the_people_who_were_named(recorded, client):
    made = make_bundle(recorded / "feed", ["u2"])
    data = embedded(made.page)
    assert made.users == ("u2",)
    assert made.left_out == "The steps of 1 of 11 people are in it."
    assert data["about"]["left_out"].startswith(made.left_out)
    address = "api/runs/feed/step?arm=random&round=2&seed=3&step=1&user=u2"
    step = client.get(f"/{address}").json()
    step["memory_before"]["gained"] = step["memory_before"]["gained"][-10:]
    assert data[address] == step
    assert data["api/runs/feed"] == client.get("/api/runs/feed").json()
    assert not [path for path in data if "user=u3" in path]


def test_people_who_are_left_out_of_the_list_are_counted(recorded, monkeypatch):
    monkeypatch.setattr(bundle, "_LISTED", 4)
    made = make_bundle(recorded / "feed", ["u2"])
    people = embedded(made.page)["api/runs/feed/people?arm=loop&seed=3"]
    assert (people["total"], len(people["rows"])) == (11, 4)
    assert made.left_out.endswith(" The list of people has the first 4 of 11.")


def test_people_are_found_by_the_classes_that_the_page_of_the_population_links_to(
    recorded, monkeypatch
):
    monkeypatch.setattr(traits, "MAX_VALUES", 2)
    data = embedded(make_bundle(recorded / "feed", ["u2"]).page)
    trial = "arm=loop&seed=3"
    people = data[f"api/runs/feed/people?{trial}"]["rows"]
    ranges = 0
    for trait in data[f"api/runs/feed/population?{trial}"]["traits"]:
        for value in trait["values"]:
            name = trait["trait"]
            classes = [{**row["profile"], **row["classes"]}.get(name) for row in people]
            assert classes.count(value["value"]) == value["users"]
            ranges += value["value"] not in [row["profile"][name] for row in people]
    assert ranges


def test_tokens_of_a_step_have_texts(recorded, monkeypatch):
    asked = []
    monkeypatch.setattr(bundle, "step_with_texts", lambda _, page: asked.append(page.at) or page)
    make_bundle(recorded / "ranking", ["u2"])
    assert {at.user for at in asked} == {"u2"}


def test_all_people_of_a_small_run_fit(recorded):
    made = make_bundle(recorded / "ranking")
    assert (len(made.users), made.left_out) == (11, "")
    assert len(made.page.encode()) < MAX_BYTES


def test_the_page_is_never_larger_than_it_may_be_and_says_who_is_left_out(recorded):
    most = len(make_bundle(recorded / "feed", ["u1"]).page) + 10_000
    made = make_bundle(recorded / "feed", most=most)
    assert len(made.page.encode()) <= most
    assert 0 < len(made.users) < 11
    assert made.left_out.endswith(f"; {11 - len(made.users)} more did not fit.")


def test_a_page_without_room_for_the_overview_is_refused(recorded):
    with pytest.raises(RunError, match="in a page of 1,000 bytes"):
        make_bundle(recorded / "feed", most=1_000)


def test_somebody_who_is_not_there_is_named(recorded):
    with pytest.raises(RunError, match='the id "u99"'):
        make_bundle(recorded / "feed", ["u99"])


def test_a_training_holds_the_groups_of_the_steps_that_are_in_it(recorded):
    data = embedded(make_bundle(recorded / "training").page)
    assert "api/runs/training/training" in data
    assert "api/runs/training/group?group=0%2F0%2F2%2F0%2Ffast&step=1" in data


def test_its_policy_allows_its_own_scripts_and_nothing_else(recorded):
    page = make_bundle(recorded / "feed", ["u1"]).page
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    scripts = re.findall(r'<script(?: type="module")?>(.*?)</script>', page, re.DOTALL)
    scripts += re.findall(r'<script type="text/plain" id="program">(.*?)</script>', page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert len(scripts) == 2
    for text in (*scripts, style):
        hashed = base64.b64encode(sha256(text.encode()).digest()).decode()
        assert f"'sha256-{hashed}'" in policy
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
