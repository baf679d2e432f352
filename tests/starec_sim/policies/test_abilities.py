"""Optional abilities of chat models: found where they are, never required."""

import asyncio

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from pydantic import Field

from starec_sim.policies.abilities import (
    Abilities,
    Closeable,
    Detokenizing,
    Loadable,
    NamedWeights,
    Openable,
    ServedWeights,
)
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.policies.local import LocalPolicy
from starec_sim.policies.openai import OpenAIPolicy


class Everything(FakeListChatModel):
    responses: list[str] = Field(default=["hi"])
    structured: bool = True
    seeded: bool = True
    temperature: float = 0.0
    max_in_flight: int = 3
    revision: str | None = None
    version: str = "one"
    events: list[str] = Field(default_factory=list)

    def token_texts(self, ids):
        return [str(token) for token in ids]

    async def aopen(self):
        self.events.append("opened")

    async def aclose(self):
        self.events.append("closed")


def test_a_model_of_another_package_has_none_and_is_usable():
    able = Abilities(FakeListChatModel(responses=["hi"]))
    assert (able.takes_schema, able.takes_seed, able.is_greedy) == (False, False, False)
    assert (able.max_in_flight, able.token_texts) == (None, None)
    assert (able.revision, able.version) == ("", "")
    asyncio.run(able.open())
    asyncio.run(able.close())


def test_each_ability_is_found_by_its_attribute():
    model = Everything()
    able = Abilities(model)
    assert (able.takes_schema, able.takes_seed, able.is_greedy) == (True, True, True)
    assert (able.max_in_flight, able.token_texts([7])) == (3, ["7"])
    assert (able.revision, able.version) == ("None", "one")
    asyncio.run(able.open())
    asyncio.run(able.close())
    assert model.events == ["opened", "closed"]


def test_a_value_that_changes_is_read_anew():
    model = Everything()
    able = Abilities(model)
    assert (able.version, able.is_greedy, able.takes_seed) == ("one", True, True)
    model.version, model.temperature, model.seeded = "two", 0.5, False
    assert (able.version, able.is_greedy, able.takes_seed) == ("two", False, False)


@pytest.mark.parametrize(
    ("model", "abilities"),
    [
        (LexicalPolicy(), set()),
        (LocalPolicy(model="x"), {Openable, Closeable, Loadable, Detokenizing, NamedWeights}),
        (OpenAIPolicy(model="x"), {Openable, Closeable, ServedWeights, NamedWeights}),
    ],
    ids=["lexical", "local", "openai"],
)
def test_our_policies_have_the_abilities_that_training_and_serving_ask_for(model, abilities):
    asked = {Openable, Closeable, Loadable, Detokenizing, NamedWeights, ServedWeights}
    assert {ability for ability in asked if isinstance(model, ability)} == abilities
