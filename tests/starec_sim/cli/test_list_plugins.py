"""`starec plugins`: every plug-in with its source and its state; broken ones break nothing else."""

import pytest

from starec_sim.plugins import registered

POINTS = """\
[starec_sim.environments]
no-class = nothing
gone = gone_package.worlds:World
raises = raising_module:World
no-config = collections:Counter

[starec_sim.recommenders]
als = raising_module:ALS

[starec_sim.rewards]
tips = operator:neg
"""


@pytest.fixture(autouse=True)
def installed(tmp_path, here, monkeypatch):
    """Install a distribution with broken plug-ins: metadata and a module, as pip writes them."""
    info = tmp_path / "broken_worlds-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-worlds\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "raising_module.py").write_text("print('imported')\nraise RuntimeError('no GPU')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registered.cache_clear()
    yield
    registered.cache_clear()


def rows_of(starec, *arguments):
    rows = starec("plugins", *arguments, "--json").answer["plugins"]
    return {(row["kind"], row["name"], row["class"]): row for row in rows}


def test_each_row_says_where_a_plug_in_comes_from_and_whether_it_loads(starec):
    rows = rows_of(starec)
    feed = rows["environments", "feed", "starec_environments.feed:FeedEnvironment"]
    assert (feed["from"], feed["state"], feed["problem"]) == ("starec-sim", "loads", "")
    assert feed["version"]
    assert "starec_environments/feed" in feed["defined"]
    assert feed["defined"].rpartition(":")[2].isdigit()
    tips = rows["rewards", "tips", "operator:neg"]
    assert (tips["from"], tips["version"], tips["state"]) == ("broken-worlds", "2.1", "loads")
    assert {"agents", "datasets", "policies", "data", "holdout"} <= {kind for kind, *_ in rows}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no-class", 'the entry point no-class = "nothing" of broken-worlds 2.1 names no class'),
        ("gone", "ModuleNotFoundError: No module named 'gone_package'"),
        ("raises", "RuntimeError: no GPU"),
        ("no-config", "has no `Config`"),
    ],
)
def test_a_broken_plug_in_is_listed_with_its_error(starec, name, said):
    (row,) = (row for key, row in rows_of(starec, "environments").items() if key[1] == name)
    assert row["state"] == "broken"
    assert said in row["problem"]
    assert row["hint"]
    out = " ".join(starec("plugins", "environments").out.split())
    assert said in out
    assert "from broken-worlds 2.1" in out
    assert out.endswith("4 cannot be used")


def test_a_clash_names_both_sides(starec):
    rows = rows_of(starec, "recommender")
    clashing = [row for (_, name, _), row in rows.items() if name == "als"]
    assert {row["from"] for row in clashing} == {"starec-sim", "broken-worlds"}
    for row in clashing:
        assert row["state"] == "clash"
        assert "raising_module:ALS (of broken-worlds 2.1)" in row["problem"]
        assert "starec_environments.recommenders.factors:ALS (of starec-sim" in row["problem"]


def test_an_unknown_kind_is_named_with_the_nearest_one(starec):
    said = starec("plugins", "recomender")
    assert said.status == 2
    assert 'no kind of plug-in "recomender"; did you mean "recommenders"?' in said.err


def test_broken_plug_ins_break_no_command_that_does_not_use_them(starec, here):
    (here / "tiny.yaml").write_text(
        "name: tiny\n"
        "rounds: 1\n"
        "data: {use: synthetic, users: 5, items: 40, interactions: 12}\n"
        "environment: {use: feed, recommender: popularity, pages: 1}\n"
        "policies: {fast: lexical, slow: lexical}\n"
    )
    for command in (["--help"], ["runs"], ["run", "tiny.yaml"], ["show", "latest"]):
        said = starec(*command)
        assert said.status == 0, said.err
        assert "broken" not in said.err


def test_a_broken_plug_in_that_is_used_is_an_error_with_a_hint(starec, here):
    (here / "world.yaml").write_text("name: world\nenvironment: raises\n")
    said = starec("run", "world.yaml")
    assert said.status == 2
    assert 'environment.use: the environment "raises" cannot be loaded: RuntimeError' in said.err
    assert "raising_module.py, line 2" in said.err


def test_a_class_and_a_function_are_defined_where_inspect_finds_them():
    import inspect

    from starec_environments.feed import FeedEnvironment
    from starec_sim.cli.list_plugins import _defined
    from starec_sim.learning.rewards import ndcg

    for named in (FeedEnvironment, ndcg):
        assert _defined(named).endswith(f":{inspect.getsourcelines(named)[1]}")
    assert _defined(len) == ""
