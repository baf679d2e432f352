"""From a policy that samples ids to the rows of a trainer, without tokenising anything again."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from starec_sim import experiment, runner
from starec_sim.events import RunEvents
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.runs.export import export_turns
from starec_sim.types import Tokens
from tests.tiny_models import build, tokenizer  # noqa: F401

PAIRS = {"th": 256, "li": 257, "ke": 258, "ed": 259, "di": 260, "sl": 261, "ik": 262}
"""Tokens of two letters; every byte is a token too."""
TEXT = {token: pair for pair, token in PAIRS.items()}


def spelled(ids):
    """Return the text of ids, as a tokenizer decodes them."""
    return b"".join(TEXT[i].encode() if i > 255 else bytes([i]) for i in ids).decode()


def tokenized(text):
    """Return the ids of a text as a tokenizer would encode it: pairs wherever there are any."""
    parts = re.split(f"({'|'.join(PAIRS)})", text)
    return [i for part in parts for i in ([PAIRS[part]] if part in PAIRS else part.encode())]


class Sampler(LexicalPolicy):
    """Answers like `lexical`, in ids as a model samples them: now a pair, now its two letters."""

    model: str = "tiny"
    seeded: bool = True

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        text = super()._generate(messages, stop, run_manager).generations[0].message.text
        random = np.random.default_rng(kwargs["seed"])
        ids = [
            token
            for whole in tokenized(text)
            for token in (
                TEXT[whole].encode() if whole > 255 and random.random() < 0.5 else [whole]
            )
        ]
        tokens = Tokens(
            prompt=tuple(tokenized("\n".join(message.text for message in messages))),
            completion=tuple(ids),
            logprobs=tuple(np.log(random.random(len(ids), np.float32)).tolist()),
            version="tiny@0",
            sampling={"temperature": 1.0, "seed": kwargs["seed"]},
        )
        SAMPLED.append(tokens)
        message = AIMessage(text, response_metadata={"tokens": tokens})
        return ChatResult(generations=[ChatGeneration(message=message)])


SAMPLED = []


def export(place, policy, **changes):
    """Run a small ranking with a policy, and return the rows of its turns."""
    values = {
        "name": "turns",
        "rounds": 2,
        "runs_dir": str(place),
        "data": {"use": "synthetic", "users": 6, "items": 60, "interactions": 20},
        "environment": {"use": "ranking", "choices": 4},
        "policies": {"fast": policy, "slow": policy},
        **changes,
    }
    result = runner.run(experiment.Experiment.model_validate(values), RunEvents())
    return pq.read_table(export_turns(result.folder, place / "turns.parquet").file).to_pylist()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The exported turns of a run, played by the sampler."""
    sys.modules["sampler"] = SimpleNamespace(Sampler=Sampler)
    SAMPLED.clear()
    return export(tmp_path_factory.mktemp("run"), {"use": "sampler:Sampler"})


def test_what_was_sampled_is_what_a_trainer_reads_and_nothing_is_tokenised_again(rows):
    assert len(rows) == len(SAMPLED) > 10
    sampled = {(t.prompt, t.completion, t.logprobs) for t in SAMPLED}
    told = {
        (tuple(r["prompt_ids"]), tuple(r["completion_ids"]), tuple(r["logprobs"])) for r in rows
    }
    assert told == sampled
    again = [tokenized(row["completion"][0]["content"]) for row in rows]
    # The texts are the same, the ids that a tokenizer would make of them are not.
    assert all(spelled(r["completion_ids"]) == r["completion"][0]["content"] for r in rows)
    assert all(ids != row["completion_ids"] for ids, row in zip(again, rows, strict=True))


def test_the_local_policy_reads_each_prompt_once_and_its_ids_reach_the_trainer(
    tmp_path,
    tokenizer,  # noqa: F811
    monkeypatch,
):
    pytest.importorskip("torch")
    from starec_sim.policies.engine.batcher import Batcher

    shape = {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 8192}
    build("qwen3", **shape).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    sampled = []
    ask = Batcher.ask

    async def noted(self, request):
        completion = await ask(self, request)
        sampled.append((request.prompt, completion.ids, completion.logprobs))
        return completion

    monkeypatch.setattr(Batcher, "ask", noted)
    policy = {"use": "local", "model": str(tmp_path / "tiny"), "max_tokens": 24, "dtype": "fp32"}
    environment = {"use": "ranking", "choices": 1, "candidates": 4, "users": 2}
    rows = export(tmp_path, policy, rounds=1, environment=environment)
    read = [
        (tuple(row["prompt_ids"]), tuple(row["completion_ids"]), tuple(row["logprobs"]))
        for row in rows
    ]
    assert sorted(read) == sorted(sampled)
    assert {row["version"] for row in rows} == {rows[0]["version"]} != {""}
    # A model that babbles writes what no tokenizer would write for the same text.
    texts = [row["completion"][0]["content"] for row in rows]
    assert any(
        tokenizer(text)["input_ids"] != row["completion_ids"]
        for text, row in zip(texts, rows, strict=True)
    )
