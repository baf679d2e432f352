"""What the documentation shows works as shown."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from starec_environments.datasets.movielens import MovieLens100K
from starec_sim.experiment import Experiment
from starec_sim.runs.run_tables import COLUMNS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def result_of(starec, monkeypatch):
    """Run a command in this process, which has read the large packages already."""

    def result_of(*arguments):
        monkeypatch.chdir(ROOT)
        status, out, err = starec(*arguments, "--json")
        assert not status, err
        return json.loads(out)

    return result_of


@pytest.mark.slow
def test_the_smallest_environment_runs(result_of, tmp_path):
    result = result_of("run", "docs/examples/shelf.yaml", "--set", f"runs_dir={tmp_path}")
    assert result["status"] == "finished"
    # Readers learn their genre: who watches, watches what she likes more and more.
    figures = result_of("show", result["run"])
    assert figures["metrics"]["main"]["satisfaction"]["mean"] > 3.5


@pytest.mark.slow
def test_the_agent_in_one_file_plays_beside_one_that_ships(result_of, tmp_path):
    result = result_of("run", "docs/examples/my_agent.yaml", "--set", f"runs_dir={tmp_path}")
    metrics = result["metrics"]
    assert set(metrics) == {"mine", "zero-shot"}
    assert metrics["mine"]["malformed"]["mean"] == 0


def test_the_page_on_runs_names_every_table_and_column():
    page = (ROOT / "docs/runs.md").read_text().partition("## Reading a run in Python")[2]
    for table, columns in COLUMNS.items():
        (row,) = re.findall(rf"^\| `{table}` \| [^|]* \| (.*) \|$", page, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row) == list(columns), table


def test_the_documented_keys_are_the_keys_there_are():
    text = (ROOT / "docs" / "configuration.md").read_text()
    values = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    experiment = Experiment.model_validate(values)
    experiment.resolve()
    assert set(values) == set(Experiment.model_fields)


def playable(path):
    """The changes that let an experiment play without a model: it may not be there, or be slow."""
    values = yaml.safe_load(path.read_text())
    arms = [f"arms.{name}." for name, arm in values.get("arms", {}).items() if asks_a_model(arm)]
    places = ["", *arms] if asks_a_model(values) else arms
    return [f"{place}policies={{fast: lexical, slow: lexical}}" for place in places]


def fewer_users(path):
    """The change by which so few people take part that it is quick."""
    holdout = yaml.safe_load(path.read_text())["environment"]["use"] == "holdout"
    return f"environment.{'protocol.users.count' if holdout else 'users'}=2"


def plays_a_log(path):
    """Whether an experiment reads data, and people choose nothing after their log has ended."""
    values = yaml.safe_load(path.read_text())
    return "data" in values and "min_picks" not in values["environment"]


def asks_a_model(values):
    fast = values.get("policies", {}).get("fast")
    return isinstance(fast, dict) and ("model" in fast or fast.get("use") == "nano")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").glob("*/*.yaml")), ids=lambda path: path.parent.name
)
def test_every_shipped_experiment_runs_on_the_generated_world(path, result_of, tmp_path):
    small = ["rounds=2", "replicates=1", fewer_users(path), f"runs_dir={tmp_path}"]
    small += playable(path)
    changes = [word for change in small for word in ("--set", change)]
    spec = ["--data", "synthetic", "--set", "data.users=16", "--set", "data.items=200"]
    if "data" not in yaml.safe_load(path.read_text()):  # it makes its own users and items
        spec = []
    assert result_of("run", str(path), *spec, *changes)["status"] == "finished"


DATA = next(
    (
        folder
        for folder in (
            Path(os.environ.get("STAREC_DATA", "data")) / "ml-100k",
            ROOT.parent / "shared" / "data" / "ml-100k",
        )
        if folder.is_dir()
    ),
    None,
)


@pytest.fixture(scope="module")
def movielens_read_once():
    """Read the files once for each configuration; all experiments get the same frozen dataset."""
    read, load = {}, MovieLens100K.load

    def load_once(reader):
        key = reader.config.model_dump_json()
        if key not in read:
            read[key] = load(reader)
        return read[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MovieLens100K, "load", load_once)
        yield


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="needs MovieLens 100K in $STAREC_DATA or ../shared/data")
@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ROOT / "experiments").glob("*/*.yaml")) if plays_a_log(path)],
    ids=lambda path: path.parent.name,
)
def test_every_shipped_experiment_runs_on_movielens(path, result_of, tmp_path, movielens_read_once):
    small = ["rounds=1", "replicates=1", fewer_users(path), f"runs_dir={tmp_path}"]
    small += playable(path)
    changes = [word for change in small for word in ("--set", change)]
    result = result_of("run", str(path), "--data", str(DATA), *changes)
    assert result["status"] == "finished"


HIDDEN = {"build", "dist", "runs", "node_modules", "site"}
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part in HIDDEN or part.startswith(".") for part in page.relative_to(ROOT).parts)
)
EXPERIMENTS = sorted(page.parent for page in (ROOT / "experiments").glob("*/README.md"))


def prose(page):
    """A page without its code, in which brackets are no links."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "`", text)


def anchors(page):
    """The ids that a page's headings get, as GitHub and the documentation site make them."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{link} does not exist"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: {target.name} has no such heading"


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=lambda folder: folder.name)
def test_the_page_of_an_experiment_is_short_and_says_what_its_notes_say(folder):
    page, notes = (
        (folder / name).read_text("utf-8").replace(",", "") for name in ("README.md", "NOTES.md")
    )
    assert len(page.splitlines()) <= 90
    assert "```console" in page and page.count("\n|--") + page.count("\n| --") == 1
    findings = page.partition("## Findings\n")[2].partition("\n## ")[0]
    assert 1 <= findings.count("\n- ") <= 5
    assert "## Limits\n" in page and "## Cost\n" in page
    figures = set(re.findall(r"\d+\.\d+", page))
    assert figures <= set(re.findall(r"\d+\.\d+", notes)), "a figure that the notes do not have"


def test_every_experiment_has_a_page():
    folders = {path.parent for path in (ROOT / "experiments").glob("*/*.yaml")}
    folders |= {path.parent for path in (ROOT / "experiments").glob("*/table.py")}
    folders |= {path.parent for path in (ROOT / "experiments").glob("*/train.py")}
    assert folders == {*EXPERIMENTS}


def test_the_readme_is_short_and_its_pictures_are_small():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 150
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(pictures) == 4
    assert all((ROOT / picture).stat().st_size < 200_000 for picture in pictures)


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\| \[\d+\]\(([^)]+)\)", (folder / "README.md").read_text(), re.MULTILINE)
    assert listed == sorted(page.name for page in folder.glob("0*.md"))
