"""How threads of torch wait is set before torch is loaded, unless the user has said it."""

import subprocess
import sys

import pytest

CODE = "import starec_sim, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"


@pytest.mark.parametrize(("given", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(given, used, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    printed = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True).stdout
    assert printed.decode().split() == [used, "False"]
