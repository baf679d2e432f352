"""Asking an `openai` policy in tests, and the key that no message may show."""

import asyncio

import pytest

from starec_sim.errors import PolicyError

KEY = "sk-secret-0123456789"


def ask(policy, messages="hi", **kwargs):
    async def run():
        try:
            return await policy.ainvoke(messages, **kwargs)
        finally:
            await policy.aclose()

    return asyncio.run(run())


def refusal(policy, **kwargs):
    with pytest.raises(PolicyError) as caught:
        ask(policy, **kwargs)
    shown = f"{caught.value} {caught.value!r}"
    assert KEY not in shown
    assert caught.value.hint
    return str(caught.value)
