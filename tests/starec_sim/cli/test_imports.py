"""Commands that should start fast import few packages."""

import resource
import subprocess
import sys

import pytest

# Not pydantic: Typer imports it for the parameters of a command.
HEAVY = (
    *("torch", "transformers", "langchain_core", "langgraph", "numpy", "scipy", "pandas"),
    *("matplotlib", "yaml", "rich", "sqlite3", "openai", "starec_agents"),
)


@pytest.mark.parametrize(
    ("code", "most"),
    [
        ("import starec_sim", 300),
        (
            "from starec_sim.cli import app_with\n"
            "app_with('eval')(['eval', '--help'], standalone_mode=False)",
            600,
        ),
    ],
    ids=["starec_sim", "eval --help"],
)
def test_what_starts_quickly_imports_nothing_heavy(code, most):
    listing = "import sys; print('MODULES', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{listing}"], capture_output=True, text=True, check=True
    )
    modules = done.stdout.partition("MODULES ")[2].split()
    assert not {name for name in modules if name in HEAVY}
    assert len(modules) < most


def test_why_imports_no_package_of_arrays_and_no_other_command():
    code = (
        "import sys\n"
        "from starec_sim.cli import app_with\n"
        "app_with('why')\n"
        "import starec_sim.traces.step_page, starec_sim.cli.why_view\n"
        "print(*sys.modules)"
    )
    modules = set(cpu_seconds(code)[0].stdout.split())
    assert "starec_sim.cli.why_view" in modules
    assert not {"numpy", "scipy", "pandas", "yaml", "langgraph", "starec_sim.cli.run"} & modules


def test_the_viewer_starts_without_what_asks_policies():
    modules = set(
        cpu_seconds("import sys, starec_sim.viewer.server; print(*sys.modules)")[0].stdout.split()
    )
    assert "starec_sim.viewer.app" in modules
    assert not {"langchain_core", "langgraph", "torch", "scipy", "matplotlib"} & modules


@pytest.mark.slow
def test_help_answers_at_once_and_imports_nothing_heavy():
    code = (
        "import sys\n"
        "sys.argv = ['starec', '--help']\n"
        "from starec_sim.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    helped, bare = [], []
    for _ in range(3):
        done, seconds = cpu_seconds(code)
        helped.append(seconds)
        bare.append(cpu_seconds("import typer, rich.console, rich.table")[1])
    assert done.returncode == 0
    assert "Commands:" in done.stdout
    assert not {"pydantic", *HEAVY} & set(done.stderr.split())
    # In CPU time and beside what it cannot do without, for the machine may be slow or busy.
    assert min(helped) < 2 * min(bare), (helped, bare)


def cpu_seconds(code):
    """Run code in a new interpreter; return its output and its CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
