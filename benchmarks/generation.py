"""Compare the local engine with `transformers.generate`, and the policy with the engine alone.

    python benchmarks/generation.py [--only WORD] [--repeats 3] [--threads 1] [--json]

Weights are random, because answers do not matter here. Prompts have 300 tokens; answers have 48 and
never end early. Figures are CPU seconds of the process, the best of the repeats, all in one run:

* `groups`: 8 prompts with 8 completions each, 8 M parameters;
* `distinct`: 64 different prompts, the same model;
* `users`: 64 users at once through batcher and chat model, compared with one after the other and
  with the engine alone on the same token ids;
* `nano`: the shape of a decision among 20 candidates: 2.5 M parameters, prompts of 300 to 500
  tokens whose first 200 are the same for all, 80 tokens of answer, 64 at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

from starec_sim.policies.engine import Request, Sampling
from starec_sim.policies.engine.torch_engine import TorchEngine
from starec_sim.policies.local import LocalPolicy

VOCABULARY = 4096
PROMPT, ANSWER = 300, 48
CHAT = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)

Figures = dict[str, dict[str, float]]


class Clock:
    """Measures the CPU seconds of a function: the best of `repeats` calls."""

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats

    def __call__(self, work: Callable[[], Any]) -> float:
        best = float("inf")
        for _ in range(self.repeats):
            begun = time.process_time()
            work()
            best = min(best, time.process_time() - begun)
        return best


def build(hidden: int, inner: int, layers: int, heads: int, key_heads: int) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return Qwen3ForCausalLM(config).eval()


def middle() -> Qwen3ForCausalLM:
    """Return a model with 8.13 million parameters."""
    return build(hidden=256, inner=896, layers=8, heads=8, key_heads=4)


def prompts(count: int, shared: int = 0, own: tuple[int, int] = (PROMPT, PROMPT)) -> list[Any]:
    draw = random.Random(1)

    def ids(n: int) -> list[int]:
        return [draw.randrange(3, VOCABULARY) for _ in range(n)]

    beginning = ids(shared)
    return [tuple(beginning + ids(draw.randint(*own))) for _ in range(count)]


def requests(asked: list[Any], completions: int = 1, tokens: int = ANSWER) -> list[Request]:
    return [
        Request(prompt, Sampling(tokens, seed=at * completions + again))
        for at, prompt in enumerate(asked)
        for again in range(completions)
    ]


def hugging_face(model: Qwen3ForCausalLM, asked: list[Any], completions: int = 1) -> None:
    ids = torch.tensor(asked)
    with torch.no_grad():
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            num_return_sequences=completions,
            min_new_tokens=ANSWER,
            max_new_tokens=ANSWER,
        )


def compare(clock: Clock, count: int, completions: int) -> dict[str, float]:
    """Time `transformers` and the engine in fp32 and bf16 on the same prompts."""
    model, asked = middle(), prompts(count)
    batch = requests(asked, completions)
    theirs = clock(lambda: hugging_face(model, asked, completions))
    figures = {"transformers_cpu_s": theirs}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        engine = TorchEngine(model, "random", dtype)
        ours = clock(lambda engine=engine: engine.generate(batch))  # type: ignore[misc]
        figures[f"{name}_cpu_s"] = ours
        figures[f"{name}_times_faster"] = theirs / ours
    return figures


def save(folder: Path) -> None:
    """Write the model with a tokenizer that has one token for each word."""
    words = [f"w{at}" for at in range(VOCABULARY - 300)]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        [" ".join(words)] * 3,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["<|pad|>", "<|start|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<|pad|>", chat_template=CHAT
    ).save_pretrained(folder)
    middle().save_pretrained(folder)


def users(clock: Clock) -> dict[str, float]:
    """Time 64 users at once, 64 users one after the other, and the engine alone."""
    draw = random.Random(2)
    questions = [" ".join(f"w{draw.randrange(100, 999)}" for _ in range(110)) for _ in range(64)]
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        policy = LocalPolicy(model=folder, max_tokens=ANSWER, dtype="fp32")

        async def ask(texts: list[str], at_once: bool) -> list[Any]:
            calls = (policy.ainvoke(text, seed=seed) for seed, text in enumerate(texts))
            if at_once:
                return await asyncio.gather(*calls)
            return [await call for call in calls]

        replies = asyncio.run(ask(questions, at_once=True))
        read = [reply.response_metadata["tokens"].prompt for reply in replies]
        engine = TorchEngine(middle(), "random")
        figures = {"prompt_tokens": sum(map(len, read)) / len(read)}
        one = clock(lambda: asyncio.run(ask(questions[:16], at_once=False))) * 4
        figures["one_after_the_other_cpu_s"] = one
        for name, texts, ids in (
            ("distinct", questions, read),
            ("groups", [q for q in questions[:8] for _ in range(8)], read[:8]),
        ):
            batch = requests(ids, 64 // len(ids))
            alone = clock(lambda batch=batch: engine.generate(batch))  # type: ignore[misc]
            ours = clock(lambda texts=texts: asyncio.run(ask(texts, at_once=True)))  # type: ignore[misc]
            figures[f"{name}_cpu_s"] = ours
            figures[f"{name}_times_faster"] = one / ours
            figures[f"{name}_over_engine_percent"] = 100 * (ours / alone - 1)
        policy.close()
    return figures


def nano(clock: Clock) -> dict[str, float]:
    """Time batches of the shape in which `nano` is trained and played."""
    model = build(hidden=192, inner=576, layers=4, heads=6, key_heads=1)
    batch = requests(prompts(64, shared=200, own=(100, 300)), tokens=80)
    figures = {"million_parameters": sum(p.numel() for p in model.parameters()) / 1e6}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        engine = TorchEngine(model, "random", dtype)
        figures[f"{name}_decisions_per_cpu_s"] = len(batch) / clock(
            lambda engine=engine: engine.generate(batch)  # type: ignore[misc]
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="cases whose name has this in it")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    clock = Clock(options.repeats)
    cases: dict[str, Callable[[], dict[str, float]]] = {
        "groups": lambda: compare(clock, 8, 8),
        "distinct": lambda: compare(clock, 64, 1),
        "users": lambda: users(clock),
        "nano": lambda: nano(clock),
    }
    results: Figures = {}
    for name, measure in cases.items():
        if options.only is None or options.only in name:
            results[name] = measure()
            if not options.json:
                print(name)
                for key, value in results[name].items():
                    print(f"  {key:<30}{value:>10,.2f}", flush=True)
    if options.json:
        json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
