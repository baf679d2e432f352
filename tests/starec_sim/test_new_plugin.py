"""`starec new` writes what runs, passes its checks, and is formatted; and overwrites nothing."""

import ast
import inspect
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from starec_sim.checks.find import find
from starec_sim.checks.kinds import run_checks
from starec_sim.errors import StarecError
from starec_sim.experiment import read_experiment
from starec_sim.learning.config import Training
from starec_sim.learning.rewards import check_names
from starec_sim.new_plugin import KINDS, write_new_plugin
from starec_sim.plugin_files import import_file
from starec_sim.plugin_registry import registered
from starec_sim.settings import validate

RULES = "E,F,W,B,UP,D,SIM,RUF,N,C4"
IGNORED = "D107,D203,D213,RUF002"


def ruff(folder, *arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "100"]
    done = subprocess.run([*command, "."], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    """Files of one test are not found in another one: importing a file extends the path."""
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_checks(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    _, commands = write_new_plugin(kind, "coffee-shop", tmp_path)
    reference = commands[-2].split()[-1]
    target = find(reference)
    assert target.kind == kind
    target.origin = None
    for found in run_checks(target):
        assert found.state == "passed", found
    ruff(tmp_path, "format", "--check")
    ruff(tmp_path, "check", "--select", RULES, "--ignore", IGNORED)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "reward"])
def test_its_experiment_runs_at_once(tmp_path, monkeypatch, starec, kind):
    monkeypatch.chdir(tmp_path)
    status, out, _ = starec("new", kind, "CoffeeShop")
    assert status == 0
    assert "wrote coffee_shop.yaml" in out
    assert "starec check coffee_shop.py:CoffeeShop\n  starec run coffee_shop.yaml" in out
    status, _, err = starec("run", "coffee_shop.yaml", "--set", "rounds=1")
    assert status == 0, err


def test_a_reward_can_be_trained_with(tmp_path, monkeypatch, starec):
    monkeypatch.chdir(tmp_path)
    _, out, _ = starec("new", "reward", "brevity")
    assert "starec train brevity.yaml" in out
    training = validate(Training, read_experiment("brevity.yaml").train, "train")
    check_names(training.grpo.rewards, (), "train.grpo.rewards")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package, and install it as pip does: its code and its metadata on the path."""

    def package(kind):
        write_new_plugin(kind, "night-bar", tmp_path, package=True)
        root = tmp_path / "night-bar"
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
        info = root / f"night_bar-{project['version']}.dist-info"
        info.mkdir()
        name = f"Name: {project['name']}\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{name}")
        ((group, points),) = project["entry-points"].items()
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
        monkeypatch.syspath_prepend(str(root))
        registered.cache_clear()
        return root

    yield package
    registered.cache_clear()
    for module in [name for name in sys.modules if name.partition(".")[0] == "night_bar"]:
        del sys.modules[module]


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_found_by_its_name_and_passes_its_own_tests(package, kind):
    root = package(kind)
    assert "night-bar" in registered(KINDS[kind])
    assert read_experiment(root / "experiment.yaml")
    tests = import_file(root / "tests" / f"test_{kind}.py")
    for name, test in vars(tests).items():
        if name.startswith("test_"):
            test()
    target = tests.TestNightBar.target()
    assert target.origin["suite"].endswith(f"test_{kind}.py:TestNightBar")
    target.origin = None
    for found in run_checks(target):
        assert found.state == "passed", found


def test_a_package_has_all_that_is_needed_to_publish_it(tmp_path):
    files, commands = write_new_plugin("environment", "night-bar", tmp_path, package=True)
    names = {str(file.relative_to(tmp_path / "night-bar")) for file in files}
    assert names == {
        *("pyproject.toml", "README.md", "LICENSE", "experiment.yaml"),
        *("night_bar/__init__.py", "night_bar/py.typed", "night_bar/environment.py"),
        *("tests/test_environment.py", ".github/workflows/tests.yml"),
    }
    workflow = (tmp_path / "night-bar" / ".github/workflows/tests.yml").read_text()
    assert "python-version: ${{ matrix.python }}" in workflow
    assert commands[-1] == "pytest"
    project = tomllib.loads((tmp_path / "night-bar" / "pyproject.toml").read_text())["project"]
    (needed,) = map(Requirement, project["dependencies"])
    assert needed.specifier.contains("0.3.0.dev0", prereleases=True)
    assert "0.2.0" not in needed.specifier  # it has no World


def test_the_functions_of_a_template_have_types_and_docstrings(tmp_path):
    for kind in KINDS:
        write_new_plugin(kind, f"my-{kind}", tmp_path)
        tree = ast.parse((tmp_path / f"my_{kind}.py").read_text())
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        assert functions
        for function in functions:
            assert function.returns is not None, function.name
            private = function.name.startswith("_")
            assert private or ast.get_docstring(function), function.name


@pytest.mark.parametrize(
    ("kind", "name", "said", "hint"),
    [
        ("enviroment", "bar", 'no kind of plug-in "enviroment"; did you mean "environment"', "new"),
        ("environment", "my bar", 'the name "my bar" cannot be', "e.g. my-bar"),
        ("environment", "3d", 'the name "3d" cannot be', "e.g. my-3d"),
        ("environment", "../bar", 'the name "../bar" cannot be', "e.g. bar"),
        ("environment", "", 'the name "" cannot be', "e.g. coffee-shop"),
        ("environment", "bar" * 20, "at most 30 characters", "e.g. bar"),
        ("environment", "class", '"class" is a word of Python', "my-class"),
        ("environment", "random", '"random" is the name of another module', "my-random"),
        ("environment", "numpy", '"numpy" is the name of another module', "my-numpy"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(tmp_path, kind, name, said, hint):
    with pytest.raises(StarecError) as raised:
        write_new_plugin(kind, name, tmp_path)
    assert said in raised.value.message
    assert hint in raised.value.hint
    assert not list(tmp_path.iterdir())


def test_the_name_of_an_installed_plug_in_is_refused_for_a_package(tmp_path):
    with pytest.raises(StarecError, match=r'"feed" is already the name of .*FeedEnvironment'):
        write_new_plugin("environment", "feed", tmp_path, package=True)


@pytest.mark.parametrize("there", ["coffee_shop.py", "coffee_shop.yaml"])
def test_nothing_is_overwritten(tmp_path, there):
    (tmp_path / there).write_text("mine")
    with pytest.raises(StarecError, match=f"{there} is there already"):
        write_new_plugin("environment", "coffee-shop", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_another_folder_is_told_in_the_commands(tmp_path):
    _, commands = write_new_plugin("policy", "polite", tmp_path / "my plug-ins")
    assert commands[0].startswith("cd '")
    assert (tmp_path / "my plug-ins" / "polite.py").is_file()


def test_its_signatures_are_those_of_the_protocol(tmp_path):
    from starec_sim import Environment

    write_new_plugin("environment", "coffee-shop", tmp_path)
    cls = import_file(tmp_path / "coffee_shop.py").CoffeeShop
    for name, method in inspect.getmembers(Environment, inspect.isfunction):
        if not name.startswith("_"):
            own = inspect.signature(getattr(cls, name))
            assert list(own.parameters) == list(inspect.signature(method).parameters), name
