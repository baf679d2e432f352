"""What is built is what was promised, and lives beside other people's packages."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "starec_sim": ROOT / "starec_sim",
    "starec_agents": ROOT / "agents" / "starec_agents",
    "starec_environments": ROOT / "environments" / "starec_environments",
    "starec_verifiers": ROOT / "environments" / "starec_verifiers",
}
HEAVY = ("accelerate", "peft", "safetensors", "torch", "transformers")
OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def sh(*command, **options):
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=OUTSIDE, **options
    )


def build(kind, place):
    built = sh(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", place, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = place.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def needed_by(requirements):
    """Return the installed distributions that these requirements lead to, with theirs."""
    found, waiting = {}, [*requirements]
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        for extra in ("", *need.extras):
            if name in HEAVY or (name, extra) in found:
                continue
            found[name, extra] = distribution(name)
            waiting += [
                further
                for further in map(Requirement, found[name, extra].requires or ())
                if further.marker is None or further.marker.evaluate({"extra": extra})
            ]
    return {name: held for (name, _), held in found.items()}


def light(wheel):
    """Return what the wheel requires, without extras and without torch and its kind."""
    with zipfile.ZipFile(wheel) as archive:
        (told,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        needed = Parser().parsestr(archive.read(told).decode()).get_all("Requires-Dist")
    light = [need for need in needed if "extra ==" not in need and not need.startswith(HEAVY)]
    assert len(light) > 10
    return [Requirement(need) for need in light]


def link(held, place):
    """Make the packages of a distribution, and what is known about it, importable in a folder."""
    for top in {file.parts[0] for file in held.files} - {"..", "__pycache__"}:
        if not (place / top).exists():
            (place / top).symlink_to(Path(held.locate_file(top)).resolve())


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A clean environment's Python, with the wheel installed beside a package named `agents`.

    It has links to what the wheel says it needs, and to nothing else that is installed here.
    Without torch and what belongs to it: whoever asks no local model can do without.
    """
    place = tmp_path_factory.mktemp("clean")
    venv.create(place / "venv", with_pip=False, symlinks=os.name != "nt")
    python = place / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    # Most of it is never read here, and need not be compiled first.
    pip += ["--disable-pip-version-check", "--quiet", "install", "--no-deps", "--no-compile"]
    both = sh(*pip, wheel, "openai-agents")
    if both.returncode:
        alone = sh(*pip, wheel)
        assert alone.returncode == 0, alone.stderr
        last = (both.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"pip reaches no package index: {last}")
    (linked := place / "linked").mkdir()
    for held in needed_by(light(wheel)).values():
        link(held, linked)
    (site,) = (place / "venv").glob("[Ll]ib/**/site-packages")
    (site / "linked.pth").write_text(str(linked))
    return python


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel, names):
    tops = {name.split("/")[0] for name in names}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {*PACKAGES, metadata}


def test_every_module_and_every_prompt_is_in_it(names):
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*"):
            if "frontend" in path.parts:
                continue  # sources of the pages, which are in it as they are built
            if path.suffix in (".py", ".md", ".yaml") or path.name == "py.typed":
                assert f"{package}/{path.relative_to(folder).as_posix()}" in names
        assert f"{package}/py.typed" in names
    assert "starec_agents/star/prompts/feed.md" in names


def test_the_policy_and_the_pages_are_in_it_and_in_the_sources_and_both_stay_small(
    wheel, names, tmp_path
):
    nano = PACKAGES["starec_sim"] / "policies" / "nano"
    weights = {path.relative_to(ROOT).as_posix() for path in nano.glob("*/*")}
    assert sum(name.endswith("model.safetensors") for name in weights) == 2
    weights = {name for name in weights if "__pycache__" not in name}
    pages = {f"starec_sim/viewer/static/{name}" for name in ("index.html", "app.js", "app.css")}
    wanted = weights | pages | {"starec_sim/viewer/expand.js"}
    assert wanted <= names
    assert not [name for name in names if "viewer/frontend" in name]
    sources = build("sdist", tmp_path)
    with tarfile.open(sources) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted <= packed
    assert not [name for name in packed if "viewer/frontend" in name]
    assert max(path.stat().st_size for path in (wheel, sources)) < 20e6


def test_no_test_no_data_and_no_cache_is_in_it(names):
    for name in names:
        assert not {"tests", "__pycache__", "data"} & set(name.split("/")[:-1]), name
        assert not Path(name).name.startswith(("test_", "conftest")), name
        assert Path(name).suffix not in {".pyc", ".csv", ".inter", ".sqlite"}, name


def test_its_metadata_names_licence_python_and_entry_points(wheel, names):
    (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    assert any(name.startswith(f"{info}/licenses/") and "LICENSE" in name for name in names)
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        points = archive.read(f"{info}/entry_points.txt").decode()
    assert metadata["Name"] == "starec-sim"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "starec = starec_sim.cli:main" in points
    for kind in ("agents", "environments", "datasets", "recommenders", "policies"):
        assert f"[starec_sim.{kind}]" in points


@pytest.mark.parametrize("folder", ["agents", "environments"])
def test_the_outer_folders_are_no_packages(folder):
    # A package named `agents` would overwrite the one of another popular distribution.
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.timeout(600)
def test_it_and_its_plug_ins_live_beside_a_package_named_agents(python, wheel, tmp_path):
    code = (
        "import json, sys, starec_agents, starec_environments, starec_sim\n"
        "from starec_sim.cli import main\n"
        "from importlib.metadata import distribution\n"
        "from importlib.util import find_spec\n"
        "modules = (starec_agents, starec_environments, starec_sim)\n"
        "other = distribution('openai-agents')\n"
        "print(json.dumps({\n"
        "    'files': [find_spec('agents').origin, *(module.__file__ for module in modules)],\n"
        "    'needs': other.requires,\n"
        "    'changed': [\n"
        "        str(file) for file in other.files\n"
        "        if file.size is not None and file.locate().stat().st_size != file.size\n"
        "    ],\n"
        "    'agents': [str(file) for file in other.files if file.parts[0] == 'agents'],\n"
        "}))\n"
        "sys.argv = ['starec', 'plugins', '--json']\n"
        "main()\n"
    )
    found = sh(python, "-c", code, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    told, answer = map(json.loads, found.stdout.splitlines())
    assert len(answer["plugins"]) > 10
    assert not [plugin for plugin in answer["plugins"] if plugin["problem"]]
    site = python.parents[1].resolve()
    assert all(Path(file).resolve().is_relative_to(site) for file in told["files"]), told["files"]
    # All its files are there as it brought them, and it accepts the packages that ours names.
    assert "agents/__init__.py" in told["agents"] and told["changed"] == []
    named = {canonicalize_name(need.name) for need in light(wheel)}
    shared = [need for need in map(Requirement, told["needs"]) if need.name in named]
    assert shared
    for need in shared:
        assert need.specifier.contains(distribution(need.name).version), need


@pytest.mark.timeout(600)
def test_its_command_line_works_from_any_folder(python, tmp_path):
    starec = python.with_name("starec")
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\n"
        "rounds: 2\n"
        "data: {use: synthetic, users: 10, items: 100, interactions: 15}\n"
        "environment: {use: feed, recommender: als}\n"
        "policies: {fast: lexical, slow: lexical}\n"
        "report: {metrics: [click_through]}\n"
    )
    done = sh(starec, "run", "tiny.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "finished"
    manifest = json.loads((tmp_path / answer["run"] / "manifest.json").read_text())
    assert "git" not in manifest, "an installed copy belongs to no checkout"
    assert manifest["versions"]["starec-sim"]
