"""Measure a learner's memory on a GPU, and compare it with the plan of `starec train --dry-run`.

Weights are random, in the shapes of Qwen2.5, with the settings of `experiments/06_bigger_models`
(LoRA, bf16, packs of 16,384 tokens). The steps of GRPO learn from random rollouts: groups of 8
answers of 512 tokens to questions of 908 tokens. Nothing is downloaded.

    python benchmarks/learner_memory.py [qwen2.5-0.5b ...] [--questions 16] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from starec_sim import experiment
from starec_sim.learning.config import Training, training_of
from starec_sim.learning.grpo import make_batch
from starec_sim.learning.learner import Learner
from starec_sim.learning.models import TrainedWeights, with_new_adapter
from starec_sim.learning.plan import plan_of, shape_of
from starec_sim.learning.rows import Rollout, TokenRow

EXPERIMENTS = Path(__file__).parent.parent / "experiments/06_bigger_models"
READ, WRITTEN, ANSWERS = 908, 512, 8
"""Tokens of a question about 20 candidates of MovieLens 100K, tokens of the longest answer, and
answers in a group."""
STEPS = 2
"""The first step allocates memory; the time is that of the last step."""


def main() -> None:
    """Measure each model size and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = sorted(path.stem for path in EXPERIMENTS.glob("qwen*.yaml"))
    parser.add_argument("names", nargs="*", default=names, help="of the experiments")
    parser.add_argument("--questions", type=int, default=16, help="in a step")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this measures a graphics card's memory, and torch finds none")
    found = {name: measured(name, options.questions) for name in options.names}
    card = torch.cuda.get_device_name()
    if options.json:
        print(json.dumps({"card": card, "torch": torch.__version__, "rows": found}))
        return
    print(f"{card}, torch {torch.__version__}, {options.questions} questions a step")
    for name, row in found.items():
        print(
            f"{name:<13} {row['peak_gib']:5.1f} GiB at its most, {row['planned_gib']:5.1f} planned;"
            f" {row['tokens_s']:8,.0f} tokens/s read"
        )


def measured(name: str, questions: int) -> dict[str, float]:
    """Return peak and planned memory in GiB, tokens per second, and seconds of a step."""
    asked = experiment.read_experiment(EXPERIMENTS / f"{name}.yaml", ["data=synthetic"])
    training = training_of(asked)
    assert training.grpo is not None
    weights = TrainedWeights(model(asked.policies.fast["model"], training), None, "", "lora", True)
    torch.cuda.reset_peak_memory_stats()
    learner = Learner(
        weights, training.grpo.optimisation, steps=STEPS, batch_tokens=training.batch_tokens
    )
    learner.set_reference()
    made = make_batch(rollouts(questions), training.grpo.objective).rows
    for _ in range(STEPS):
        update = learner.improve(made, training.grpo.objective, 1.0)
    peak = torch.cuda.max_memory_allocated() / 2**30
    del learner, weights
    torch.cuda.empty_cache()
    return {
        "peak_gib": peak,
        "planned_gib": plan_of(asked).learner_gib or 0.0,
        "tokens_s": update.read / update.seconds,
        "learn_s": update.seconds,
    }


def model(name: str, training: Training) -> Any:
    """Return a model of the named shape with random weights and a new LoRA adapter."""
    shape = shape_of(name)
    assert shape is not None
    config = AutoConfig.for_model(
        "qwen2",
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=shape.tied,
    )
    with torch.device("cuda"):
        base = AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation="sdpa"
        )
    made = with_new_adapter(base, training.lora)
    made.train()
    if training.gradient_checkpointing:
        made.gradient_checkpointing_enable({"use_reentrant": False})
    return made


def rollouts(questions: int) -> list[Rollout]:
    """Return groups of random answers with random rewards."""
    rng = np.random.default_rng(1)
    logprobs = (-11.9,) * WRITTEN  # a random model gives about log(1 / vocabulary)
    made = []
    for number in range(questions):
        prompt = tuple(rng.integers(3, 100_000, READ).tolist())
        for _ in range(ANSWERS):
            row = TokenRow(
                prompt,
                tuple(rng.integers(3, 100_000, WRITTEN).tolist()),
                (True,) * WRITTEN,
                logprobs,
            )
            made.append(Rollout(str(number), "fast", (row,), float(rng.random()), "", 1.0))
    return made


if __name__ == "__main__":
    main()
