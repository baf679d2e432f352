"""Measure CPU seconds of one GRPO step, ours and TRL's GRPOTrainer: same model, batch and run.

8 questions of 300 tokens, 8 answers of 48 each, about 8 million parameters, full fine-tuning in
fp32, no KL. Ours generates with the engine of the policy `local` (a question is read once for its
group) and learns from packed prefixes. TRL generates with transformers and learns from padded rows
in micro-batches of 16, with gradient checkpointing and bf16 off. Both times include the rest of a
step: rewards, advantages, clipping, AdamW.

    python benchmarks/grpo_step.py [--steps 2] [--bf16] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

from starec_sim.learning.grpo import make_batch
from starec_sim.learning.grpo_loss import Objective
from starec_sim.learning.learner import Learner, Optimisation
from starec_sim.learning.models import TrainedWeights
from starec_sim.learning.rows import Rollout, TokenRow

QUESTIONS, ANSWERS, READ, WRITTEN, VOCABULARY = 8, 8, 300, 48, 4096


def main() -> None:
    """Measure both and print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2, help="steps of each, after a first one")
    parser.add_argument("--bf16", action="store_true", help="measure ours in bf16 as well")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)

    questions = torch.randint(
        3, VOCABULARY, (QUESTIONS, READ), generator=torch.Generator().manual_seed(1)
    )
    rows = {"ours, fp32": ours(questions, options.steps, half=False)}
    if options.bf16:
        rows["ours, bf16"] = ours(questions, options.steps, half=True)
    with contextlib.redirect_stdout(sys.stderr):  # TRL prints its own figures
        rows["TRL, fp32"] = trl(questions, options.steps)
    baseline = rows["TRL, fp32"]
    result = {
        name: {"cpu_s": seconds, "times_less": baseline / seconds} for name, seconds in rows.items()
    }
    if options.json:
        print(json.dumps({"parameters": parameters(), "steps": options.steps, "rows": result}))
        return
    print(f"{parameters():,} parameters, {QUESTIONS} x {ANSWERS}, {READ} + {WRITTEN} tokens")
    for name, row in result.items():
        print(f"{name:<12} {row['cpu_s']:6.2f} CPU s a step   {row['times_less']:4.1f}x less")


def make_model() -> Any:
    """Return a Qwen3 with random weights, the same at each call."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=896,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
        attn_implementation="sdpa",
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = 0
    return model


def parameters() -> int:
    """Return the number of parameters of the model."""
    return sum(parameter.numel() for parameter in make_model().parameters())


def reward(completion: Sequence[int]) -> float:
    """Return the reward of an answer; any function of its tokens would do."""
    return len(set(completion)) / len(completion)


def ours(questions: torch.Tensor, steps: int, *, half: bool) -> float:
    """Return the median CPU seconds of one of our steps; the first step does not count."""
    from starec_sim.policies.engine.protocol import Request, Sampling
    from starec_sim.policies.engine.torch_engine import TorchEngine

    weights = TrainedWeights(make_model().train(), None, "benchmark", "full", autocast=half)
    learner = Learner(weights, Optimisation(lr=1e-4), steps=steps + 1)
    dtype = torch.bfloat16 if half else torch.float32
    engine = TorchEngine(weights.model, "0", dtype, torch.device("cpu"))
    objective = Objective(kl=0.0)
    taken = []
    for step in range(steps + 1):
        start = time.process_time()
        engine.load(weights.model, str(step))
        requests = [
            Request(
                tuple(question.tolist()),
                # No stop token, so that all answers have the same length, as in TRL.
                Sampling(WRITTEN, 1.0, 1.0, ANSWERS * number + answer, frozenset()),
                None,
            )
            for number, question in enumerate(questions)
            for answer in range(ANSWERS)
        ]
        completions = engine.generate(requests)
        rollouts = [
            Rollout(
                str(number // ANSWERS),
                "fast",
                (TokenRow(request.prompt, found.ids, (True,) * len(found.ids), found.logprobs),),
                reward(found.ids),
                found.version,
                1.0,
            )
            for number, (request, found) in enumerate(zip(requests, completions, strict=True))
        ]
        learner.improve(make_batch(rollouts, objective).rows, objective, 1.0)
        taken.append(time.process_time() - start)
    return statistics.median(taken[1:])


def trl(questions: torch.Tensor, steps: int) -> float:
    """Return the median CPU seconds of a step of TRL's trainer; the first does not count."""
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    taken: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.start = time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            taken.append(time.process_time() - self.start)

    def rewards(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [reward(ids) for ids in completion_ids]

    tokenizer = make_tokenizer()
    texts = tokenizer.batch_decode(questions)
    assert all(len(tokenizer(text)["input_ids"]) == READ for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            per_device_train_batch_size=16,
            gradient_accumulation_steps=QUESTIONS * ANSWERS // 16,
            num_generations=ANSWERS,
            max_completion_length=WRITTEN,
            max_steps=steps + 1,
            learning_rate=1e-4,
            temperature=1.0,
            beta=0.0,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            shuffle_dataset=False,
            generation_kwargs={"min_new_tokens": WRITTEN},
        )
        trainer = GRPOTrainer(
            make_model(),
            rewards,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": texts * (steps + 1)}),
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        trainer.train()
    return statistics.median(taken[1:])


def make_tokenizer() -> Any:
    """Return a tokenizer of numbered words, so that decoding and encoding return the same ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<unk>", "<end>", *(f"w{number}" for number in range(3, VOCABULARY))]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="<end>"
    )


if __name__ == "__main__":
    main()
