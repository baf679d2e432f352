"""A key for all tests of the `openai` policy."""

import pytest

from tests.starec_sim.policies.openai.asking import KEY


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
