"""What starts quickly imports little. Machines differ, so the modules are counted, not the time."""

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
        ("from starec_sim.cli import app; app(['--help'], standalone_mode=False)", 600),
        ("from starec_sim.cli import app; app(['eval', '--help'], standalone_mode=False)", 600),
    ],
    ids=["starec_sim", "--help", "eval --help"],
)
def test_what_starts_quickly_imports_nothing_heavy(code, most):
    listing = "import sys; print('MODULES', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{listing}"], capture_output=True, text=True, check=True
    )
    modules = done.stdout.partition("MODULES ")[2].split()
    assert not {name for name in modules if name in HEAVY}
    assert len(modules) < most
