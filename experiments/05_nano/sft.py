"""Supervised training from scratch, on the corpus as it is being written.

Loss on answers only; batches of few fixed shapes, so that a compiled trunk serves all of them; Muon
for matrices, AdamW for the rest; a constant rate with a linear end, so that the end can be moved.
The checkpoint holds all there is: kill it anywhere and run the same command again.

    python sft.py --tokens 40e6
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from corpus import Sample, sample
from model import Decoder, export
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

LENGTHS = (256, 384, 640, 896, 1280)
BATCH_TOKENS = 8_192
WARM_UP = 100
END = 0.3
"""Share of the training in which the rate falls to nothing."""
EASY_TOKENS = 8e6
"""Until then some questions are easy, at first nearly all of them."""
EASY = (0.9, 0.2)
"""The chance of an easy question, at first and from then on."""
HELD_OUT = 7
"""The seed of lives that are never trained on."""


class Reader:
    """Turns the corpus into batches of fixed shapes."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.tokenizer, self.seed = tokenizer, seed
        self.life = 0
        self.waiting: dict[int, list[tuple[list[int], int]]] = defaultdict(list)
        """By length: the ids of question and answer, and how many belong to the question."""

    def batch(self, easy: float) -> tuple[Tensor, Tensor]:
        """Return ids, shape (batch, length + 1), and which of them are to be learned."""
        while True:
            for length, rows in self.waiting.items():
                if len(rows) >= BATCH_TOKENS // length:
                    self.waiting[length] = rows[BATCH_TOKENS // length :]
                    return self._filled(rows[: BATCH_TOKENS // length], length)
            for one in sample(self.seed, self.life, easy):
                ids, asked = encoded(self.tokenizer, one)
                fitting = [length for length in LENGTHS if len(ids) <= length + 1]
                if fitting:
                    self.waiting[fitting[0]].append((ids, asked))
            self.life += 1

    def _filled(self, rows: list[tuple[list[int], int]], length: int) -> tuple[Tensor, Tensor]:
        ids = np.full((len(rows), length + 1), self.tokenizer.pad_token_id)
        learned = np.zeros((len(rows), length + 1), bool)
        for place, (row, asked) in enumerate(rows):
            ids[place, : len(row)] = row
            learned[place, asked : len(row)] = True
        return torch.from_numpy(ids), torch.from_numpy(learned)

    def state(self) -> dict[str, Any]:
        return {"life": self.life, "waiting": dict(self.waiting)}

    def restore(self, state: dict[str, Any]) -> None:
        self.life = state["life"]
        self.waiting = defaultdict(list, state["waiting"])


def encoded(tokenizer: PreTrainedTokenizerFast, one: Sample) -> tuple[list[int], int]:
    """Return the ids of question and answer, and how many belong to the question."""
    messages = [{"role": role, "content": text} for role, text in one.messages]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    question = tokenizer(asked).input_ids
    return question + tokenizer(one.answer + tokenizer.eos_token).input_ids, len(question)


def loss_of(model: Decoder, trunk: Any, ids: Tensor, learned: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean loss over what is to be learned, and which of it is predicted rightly."""
    places = learned[:, 1:].flatten().nonzero().squeeze(1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.head(trunk(ids[:, :-1].contiguous()).flatten(0, 1)[places])
    targets = ids[:, 1:].flatten()[places]
    return functional.cross_entropy(logits.float(), targets), logits.argmax(-1) == targets


def optimizers(model: Decoder, rate: float) -> list[torch.optim.Optimizer]:
    """Muon orthogonalises the updates of the layers' matrices; the rest goes to AdamW."""
    matrices = [w for n, w in model.named_parameters() if w.dim() == 2 and n.startswith("layers")]
    rest = [w for n, w in model.named_parameters() if not (w.dim() == 2 and n.startswith("layers"))]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(rest, lr=rate / 5, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


@torch.no_grad()
def accuracies(
    model: Decoder, trunk: Any, tokenizer: PreTrainedTokenizerFast, batches: int = 6
) -> dict[str, float]:
    """Return the share of tokens predicted rightly on unseen lives, by what they stand for."""
    reader = Reader(tokenizer, HELD_OUT)
    texts = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    right: dict[str, list[bool]] = defaultdict(list)
    for _ in range(batches):
        ids, learned = reader.batch(easy=0.0)
        _, hits = loss_of(model, trunk, ids, learned)
        targets = ids[:, 1:][learned[:, 1:]].tolist()
        for token, hit in zip(targets, hits.tolist(), strict=True):
            right[_kind(texts[token])].append(hit)
    return {kind: float(np.mean(hits)) for kind, hits in sorted(right.items())}


def _kind(token: str) -> str:
    token = token.replace("Ġ", " ")
    if token in (": loved", ": liked", ": disliked", ": hated"):
        return "polarity"
    if token.startswith(" = "):
        return "balance"
    if token.startswith(" > "):
        return "rank"
    return "count" if " of " in token else "text"


def train(out: Path, tokens: float, rate: float, seed: int, save_every: int) -> None:
    torch.manual_seed(seed)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(out)
    model, reader = Decoder(), Reader(tokenizer, seed)
    trunk = torch.compile(model, dynamic=False)
    both = optimizers(model, rate)
    step, seen, checkpoint = 0, 0, out / "checkpoint.pt"
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(state["model"])
        for optimizer, its in zip(both, state["optimizers"], strict=True):
            optimizer.load_state_dict(its)
        step, seen = state["step"], state["seen"]
        reader.restore(state["reader"])
    size = sum(weight.numel() for weight in model.parameters())
    print(f"{size / 1e6:.2f} M parameters, from step {step}", flush=True)
    bar = tqdm(total=int(tokens), initial=seen, unit="tok", unit_scale=True, mininterval=30)
    started, losses = time.time(), []
    while seen < tokens:
        factor = min(1.0, (step + 1) / WARM_UP, max(0.0, 1.0 - seen / tokens) / END)
        for optimizer, top in zip(both, (rate, rate / 5), strict=True):
            optimizer.param_groups[0]["lr"] = top * factor
        ids, learned = reader.batch(max(EASY[1], EASY[0] * (1.0 - seen / EASY_TOKENS)))
        loss, _ = loss_of(model, trunk, ids, learned)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad()
        step, seen = step + 1, seen + ids[:, 1:].numel()
        losses.append(loss.item())
        bar.update(ids[:, 1:].numel())
        if step % 50 == 0:
            print(
                f"\nstep {step} {time.time() - started:.0f}s {seen / 1e6:.2f}M tokens "
                f"loss {np.mean(losses[-50:]):.4f}",
                flush=True,
            )
        if step % save_every == 0 or seen >= tokens:
            shares = accuracies(model, trunk, tokenizer)
            print("  " + ", ".join(f"{k} {v:.3f}" for k, v in shares.items()), flush=True)
            state = {
                "model": model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in both],
                "step": step,
                "seen": seen,
                "reader": reader.state(),
            }
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
            export(model, tokenizer, out / "model")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("build"))
    arguments.add_argument("--tokens", type=float, default=40e6)
    arguments.add_argument("--rate", type=float, default=0.02)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--save-every", type=int, default=150)
    given = arguments.parse_args()
    train(given.out, given.tokens, given.rate, given.seed, given.save_every)
