"""Answers that runs share: found again when all that decides them is the same, and only then."""

import asyncio
import sqlite3

import pytest
import zstandard
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from starec_sim.errors import RunError
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy
from starec_sim.policies.gateway.cache import Cache
from starec_sim.policies.gateway.reply import CallResult, Reply
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.policies.settings import GatewaySettings
from starec_sim.rng import Streams
from starec_sim.types import CallKey, Tokens
from tests.turn_store import Turns

pack = zstandard.ZstdCompressor().compress
TOKENS = Tokens((1, 2), (3, 4), (-0.25, -1.5), "base", {"temperature": 0.7})


class Sampler(BaseChatModel):
    """Answers with how often it was asked."""

    seeded: bool = True
    temperature: float = 0.7
    _asked: int = PrivateAttr(default=0)

    @property
    def _llm_type(self):
        return "sampler"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self._asked += 1
        message = AIMessage(f"answer {self._asked}", response_metadata={"tokens": TOKENS})
        return ChatResult(generations=[ChatGeneration(message=message)])


def ask(path, model=None, seed=0, text="hi", user=0, arm="", **spec):
    """One question of a run of its own, which shares the cache at `path`."""
    policy = Policy("far", model or Sampler(), spec)
    resources = GatewayResources(GatewaySettings(cache=path))
    gateway = Gateway({"fast": policy, "slow": policy}, Streams(seed), Turns(), arm, resources)
    question = gateway.ask(CallKey(0, user, 0, "fast"), (("user", text),))
    turn = asyncio.run(question)
    resources.close()
    return turn


def test_another_run_gets_the_same_answer_to_the_token_without_a_call(tmp_path):
    first = ask(tmp_path / "c", arm="loop")
    model = Sampler()
    again = ask(tmp_path / "c", model, arm="frozen")
    assert model._asked == 0
    assert (again.source, again.tries, again.cost_usd) == ("cache", 0, None)
    assert again.completion == first.completion == "answer 1"
    assert (again.tokens.completion, again.tokens.logprobs) == ((3, 4), (-0.25, -1.5))
    assert again.tokens.group == "frozen/0/0/0/0/fast", "the group is this run's"


@pytest.mark.parametrize(
    "other",
    [
        {"text": "hello"},
        {"seed": 1},
        {"user": 1},
        {"base_url": "http://elsewhere/v1"},
        {"temperature": 0.9},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_decides_an_answer_is_part_of_its_key(tmp_path, other):
    ask(tmp_path / "c")
    assert ask(tmp_path / "c", **other).source == "model"


def test_settings_that_decide_only_whether_an_answer_comes_are_not_part_of_it(tmp_path):
    ask(tmp_path / "c", timeout_s=60, api_key_env="ONE")
    assert ask(tmp_path / "c", timeout_s=90, api_key_env="OTHER").source == "cache"


def test_other_weights_in_the_same_model_are_another_policy(tmp_path):
    class Versioned(Sampler):
        version: str = "before"

    ask(tmp_path / "c", Versioned())
    assert ask(tmp_path / "c", Versioned(version="after")).source == "model"
    assert ask(tmp_path / "c", Versioned()).source == "cache"


def test_at_temperature_0_users_share_an_answer(tmp_path):
    ask(tmp_path / "c", Sampler(temperature=0))
    assert ask(tmp_path / "c", Sampler(temperature=0), user=5, seed=9).source == "cache"


def test_equal_questions_at_the_same_time_wait_for_one_answer(tmp_path):
    cache, asked = Cache(tmp_path / "c"), []

    async def slow():
        asked.append(1)
        await asyncio.sleep(0.01)
        return CallResult(Reply("one", 1, 1), tries=1)

    async def together():
        return await asyncio.gather(*(cache.get_or_ask(b"key", slow) for _ in range(5)))

    answers = asyncio.run(together())
    cache.close()
    assert len(asked) == 1
    assert sorted(source for _, source in answers) == ["cache"] * 4 + ["model"]


def test_after_a_failure_the_next_caller_asks(tmp_path):
    cache, results = Cache(tmp_path / "c"), [CallResult(None, "endpoint: x", 1)]

    async def ask():
        await asyncio.sleep(0)
        return results.pop() if results else CallResult(Reply("fine", 1, 1), tries=1)

    async def together():
        return await asyncio.gather(*(cache.get_or_ask(b"key", ask) for _ in range(3)))

    answers = asyncio.run(together())
    cache.close()
    assert [source for _, source in answers] == ["model", "model", "cache"]


def test_two_processes_write_one_file(tmp_path):
    one, other = Cache(tmp_path / "c"), Cache(tmp_path / "c")
    one.put(b"a", Reply("1", None, None))
    other.put(b"a", Reply("2", None, None))
    other.put(b"b", Reply("3", None, None))
    one.close()
    other.close()
    third = Cache(tmp_path / "c")
    assert third.get(b"a").completion == "1", "who came first is right"
    assert third.get(b"b").completion == "3"
    third.close()


def test_a_file_that_is_no_cache_is_named(tmp_path):
    (tmp_path / "c").write_text("a letter, not a database" * 100)
    with pytest.raises(RunError, match=r"the cache .* cannot be used") as raised:
        Cache(tmp_path / "c")
    assert "gateway.cache" in raised.value.hint


def test_a_spoiled_answer_is_an_error_and_no_answer(tmp_path):
    cache = Cache(tmp_path / "c")
    cache.put(b"a", Reply("1", None, None))
    cache.close()
    with sqlite3.connect(tmp_path / "c") as db:
        db.execute("UPDATE answers SET answer = x'00'")
    db.close()
    cache = Cache(tmp_path / "c")
    with pytest.raises(RunError, match="cannot be used"):
        cache.get(b"a")
    cache.close()


def test_other_weights_or_another_temperature_are_another_policy():
    spec = {"use": "openai", "model": "base", "temperature": 1.0}
    model = OpenAIPolicy(model="base", base_url="http://localhost/v1", temperature=1.0)
    names = [Policy("p", model, spec).identity()]
    model.model = "run-000001"
    names.append(Policy("p", model, spec).identity())
    cold = model.model_copy(update={"temperature": 0.0})
    names.append(Policy("p", cold, spec).identity())
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    "packed",
    [
        3,
        None,
        b"junk",
        pack(b"[" * (17 << 20)),
        pack(b"[" * 1000),
        pack(b'["a", "1", 2, null]'),
        pack(b'["a", 1, 2, null, "odd"]'),
        pack(b'["a", 1, 2, [[1], [2], [NaN], "base", {}]]'),
    ],
)
def test_an_answer_that_nobody_here_wrote_is_an_error_with_the_name_of_the_file(tmp_path, packed):
    cache = Cache(tmp_path / "c")
    cache._db.execute("INSERT INTO answers VALUES (?, ?)", (b"key", packed))
    with pytest.raises(RunError, match="c cannot be used: "):
        cache.get(b"key")
    cache.close()
