"""Exported turns are what TRL's trainers take: the documented mapping, in the installed TRL."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from starec_sim.runs.export import export_turns
from tests.starec_sim.runs.lives import Writing, tokens, turn, visit

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
END, PAD, VOCABULARY = 1, 0, 64


@pytest.fixture(autouse=True)
def needs_trl():
    pytest.importorskip("trl")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run in which two people were each asked the same thing twice, to the token."""
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(0)
    writing = Writing(folder)
    visits = []
    for user in range(2):
        prompt = tuple(random.integers(2, VOCABULARY, 5 + user).tolist())
        turns = []
        for attempt in range(2):
            ids = (*random.integers(2, VOCABULARY, 3 + attempt).tolist(), END)
            logprobs = tuple((-random.random(len(ids), np.float32)).tolist())
            told = tokens(prompt, ids, logprobs, group=f"user {user}")
            turns.append(replace(turn(f"answer {user} {attempt}", attempt=attempt), tokens=told))
        visits.append(visit(user, 0, tuple(turns)))
    writing.commit(0, visits)
    writing.close()
    return export_turns(folder, folder / "turns.parquet").file


def same(rows, others):
    return Counter(map(repr, rows)) == Counter(map(repr, others))


def tokenizer():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": PAD, "<end>": END, **{f"w{n}": n for n in range(2, VOCABULARY)}}
    plain = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<end>")


def model():
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": VOCABULARY}
    return Qwen3ForCausalLM(Qwen3Config(**sizes, **heads, pad_token_id=PAD, eos_token_id=END))


@pytest.fixture
def documented(exported, monkeypatch):
    """The code that `docs/export.md` shows, run beside the exported file."""
    monkeypatch.chdir(exported.parent)
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)[1]
    names = {}
    exec(code, names)
    return names


def test_grpo_trains_on_the_ids_the_probabilities_and_the_rewards_as_exported(
    exported, documented, tmp_path, monkeypatch
):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    groups, taken = documented["groups"], []

    class Watched(GRPOTrainer):
        def _generate_and_score_completions(self, inputs):
            taken.append(super()._generate_and_score_completions(inputs))
            return taken[-1]

    args = GRPOConfig(
        output_dir=str(tmp_path / "out"),
        num_generations=2,
        per_device_train_batch_size=4,
        max_steps=1,
        max_completion_length=8,
        beta=0.0,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = Watched(
        model(),
        documented["reward"],
        args=args,
        rollout_func=documented["on_file"],
        train_dataset=Dataset.from_list([{"prompt": group} for group in groups]),
        processing_class=tokenizer(),
    )
    trainer.train()
    (batch,) = taken
    read = {
        name: [row[mask.bool()].tolist() for row, mask in zip(batch[name], batch[by], strict=True)]
        for name, by in (
            ("prompt_ids", "prompt_mask"),
            ("completion_ids", "completion_mask"),
            ("sampling_per_token_logps", "completion_mask"),
            ("tool_mask", "completion_mask"),
        )
    }
    rows = [row for members in groups.values() for row in members]
    assert len(rows) == 4
    assert same(
        zip(
            read["prompt_ids"],
            read["completion_ids"],
            read["sampling_per_token_logps"],
            strict=True,
        ),
        ((row["prompt_ids"], row["completion_ids"], row["logprobs"]) for row in rows),
    )
    assert same(read["tool_mask"], (row["completion_mask"] for row in rows))
    # All earned the same within their group, so no answer is better than another.
    assert batch["advantages"].tolist() == [0.0] * 4


def test_asynchronous_grpo_packs_the_same_rows(exported):
    from trl.experimental.async_grpo.async_grpo_trainer import (
        DataCollatorForRollout,
        FixedCountBatcher,
    )
    from trl.experimental.async_grpo.async_rollout_worker import RolloutSample

    rows = pq.read_table(exported).to_pylist()
    samples = []
    for row in rows:
        context = len(row["prompt_ids"])
        samples.append(
            RolloutSample(
                prompt=row["prompt"],
                completion=row["completion"],
                input_ids=np.array(row["prompt_ids"] + row["completion_ids"]),
                completion_mask=np.array([0] * context + row["completion_mask"]),
                old_log_probs=np.array([0.0] * context + row["logprobs"], np.float32),
                advantage=float(row["attempt"]),
                model_version=0,
                group_id=row["group_id"],
                metrics={"reward": row["reward"]},
            )
        )
    names = ("input_ids", "completion_mask", "old_log_probs", "advantage", "group_id", "metrics")
    queue = [{name: getattr(sample, name) for name in names} for sample in samples]
    (packed,) = FixedCountBatcher(queue, num_processes=1, microbatch_size=len(queue))
    collate = DataCollatorForRollout(pad_token_id=PAD)
    batch = collate([packed])
    assert collate.groups_trained == {0, 1}
    assert int(batch["global_n_tokens"]) == sum(len(row["completion_ids"]) for row in rows)
    # What is learned of each row, and with which old probability, is what was sampled.
    segment, old = batch["segment_id"][0], batch["old_log_probs"][0]
    targets = batch["shift_labels"][0][batch["token_index"][0]]
    learned = [
        (targets[segment == number].tolist(), old[segment == number].tolist())
        for number in range(len(rows))
    ]
    assert same(learned, ((row["completion_ids"], row["logprobs"]) for row in rows))


def test_supervised_training_takes_the_messages_as_they_stand(exported):
    from datasets import Dataset
    from trl import is_conversational

    rows = Dataset.from_parquet(str(exported)).select_columns(["prompt", "completion"])
    assert is_conversational(rows[0])
    assert rows[0]["completion"] == [{"role": "assistant", "content": "answer 0 0"}]
