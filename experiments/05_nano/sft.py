"""Supervised training (SFT) from scratch, on a corpus that is generated while it is read.

The loss is on answers and on the hints inside questions. A batch is one row of a fixed length, in
which samples stand side by side, so one compiled trunk serves all batches. Muon trains the matrices
of the layers, AdamW the rest. The learning rate is constant in the first half and falls linearly in
the second. The checkpoint holds the whole state: stop the script anywhere and run the same command
again.

    torchrun --standalone --nproc-per-node 2 sft.py
    ... sft.py --begin ../../starec_sim/policies/nano/anchored --seen 80e6 --tokens 110e6 --seed 5
"""

from __future__ import annotations

import argparse
import os
import re
import string
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from batches import BATCH_TOKENS, NOT_LEARNED, Batch, Reader
from corpus import Course
from model import Decoder, export, implant
from torch import Tensor, distributed
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starec_sim.policies.reasoner import POLARITIES

HEAD_ROWS = 512
"""The head computes a multiple of this number of predictions, so that few shapes occur."""
WARM_UP = 40
END = 0.5
"""The share of the training, at its end, in which the rate falls to 0."""
RESULT = 4.0
"""The weight of a balance, a place of a ranking and a together count's value in the loss. They are
few, and the ranking depends on them."""
SORT = ((0.01, 0.0), (0.02, 0.8), (0.2, 0.8), (0.22, 0.3), (0.35, 0.15))
DRILL = ((0.01, 0.9), (0.04, 0.25), (0.2, 0.25), (0.25, 0.1))
EASY = ((0.03, 1.0), (0.09, 0.15), (0.2, 0.15), (0.25, 0.4), (0.65, 0.4), (0.69, 0.1))
REFLECT = ((0.1, 0.0), (0.15, 0.25), (0.4, 0.25), (0.405, 0.4), (0.7, 0.4), (0.71, 0.15))
"""The chances of a `Course` as pairs (share of the training, chance), linear in between. The model
first learns to look things up, then to do it in long questions. The hardest questions come often.
Short logs come back later, because there an answer is hardly more than doing what its first line
says."""
EAGER = 0.09
"""Until this share of the training the teacher also names attributes that were met only once."""
HELD_OUT = 7
"""The seed of the users for validation, on whom the model is never trained."""


def course_after(share: float) -> Course:
    """Return the course after this share of the training."""
    chances = (
        float(np.interp(share, *zip(*plan, strict=True))) for plan in (SORT, DRILL, EASY, REFLECT)
    )
    return Course(*chances, share < EAGER)


MARK = r"\n(?:[A-Z]+\. |- .+ \| )"
"""The beginning of a candidate or an experience."""
RESULTS = r" > [A-Z]+|(?:nothing)? = [+-]?\d+|: \+\d"


def tokens_like(tokenizer: PreTrainedTokenizerFast, pattern: str) -> Tensor:
    """Return the ids of the tokens whose whole text matches a pattern."""
    texts = enumerate(tokenizer.batch_decode([[token] for token in range(len(tokenizer))]))
    return torch.tensor([token for token, text in texts if re.fullmatch(pattern, text)])


def aliases(tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, int]]:
    """Return for each label its token at the start of a line and its token in a ranking."""
    ids = tokenizer.get_vocab()
    pairs = ((ids.get(f"Ċ{x}.Ġ"), ids.get(f"Ġ>Ġ{x}")) for x in string.ascii_uppercase)
    return [(mark, ranked) for mark, ranked in pairs if mark and ranked]


class Compiled(NamedTuple):
    """What is compiled: the decoder without its head, and the loss."""

    trunk: Any
    loss: Any

    @classmethod
    def of(cls, model: Decoder) -> Compiled:
        # The loss is compiled for each number of targets, with gradients and without.
        torch._dynamo.config.recompile_limit = 4 * BATCH_TOKENS // HEAD_ROWS
        return cls(torch.compile(model, dynamic=False), torch.compile(_weighted, dynamic=False))


def _weighted(logits: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    losses = functional.cross_entropy(logits.float(), wanted, reduction="none")
    return (losses * weights).sum()


def loss_of(
    model: Decoder, compiled: Compiled, results: Tensor, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Return the weighted loss for each token of an answer, and the logits at all targets.

    The loss is sum(weight * cross entropy) over all targets / number of tokens of answers.
    """
    places = (batch.following != NOT_LEARNED).nonzero().squeeze(1)
    # Padded, with a weight of 0, so that there are few shapes.
    padding = -len(places) % HEAD_ROWS
    padded = functional.pad(places, (0, padding))
    with torch.autocast("cpu", torch.bfloat16):
        states = compiled.trunk(batch.ids, batch.positions, batch.blocks)
        logits = model.head(states[padded])
    wanted, answered = batch.following[places], batch.answered[places]
    heavy = answered & torch.isin(wanted, results)
    weights = torch.where(heavy, RESULT, batch.weights[places])
    wanted, weights = functional.pad(wanted, (0, padding)), functional.pad(weights, (0, padding))
    loss = compiled.loss(logits, wanted, weights) / answered.sum()
    return loss, logits[: len(places)]


def optimizers(model: Decoder, rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon (orthogonalised updates) for the layers' matrices and AdamW for the rest."""
    matrices = [w for n, w in model.named_parameters() if w.dim() == 2 and n.startswith("layers")]
    rest = [w for n, w in model.named_parameters() if not (w.dim() == 2 and n.startswith("layers"))]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(rest, lr=rate / 12, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


@torch.no_grad()
def accuracies(
    model: Decoder,
    compiled: Compiled,
    tokenizer: PreTrainedTokenizerFast,
    course: Course,
    batches: int = 3,
) -> dict[str, float]:
    """Return the share of right predictions on the users for validation, by kind of token."""
    reader = Reader(tokenizer, HELD_OUT)
    texts = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    results = tokens_like(tokenizer, RESULTS)
    right: dict[str, list[bool]] = defaultdict(list)
    for _ in range(batches):
        batch = reader.batch(course)
        _, logits = loss_of(model, compiled, results, batch)
        learned = batch.following != NOT_LEARNED
        tokens, answered = batch.following[learned], batch.answered[learned].tolist()
        hits = (logits.argmax(-1) == tokens).tolist()
        for token, answer, hit in zip(tokens.tolist(), answered, hits, strict=True):
            right[_kind(texts[token]) if answer else "hint-" + _kind(texts[token])].append(hit)
    return {kind: float(np.mean(hits)) for kind, hits in sorted(right.items())}


def _kind(token: str) -> str:
    token = token.replace("Ġ", " ").replace("Ċ", "\n")
    if token.startswith(": ") and (token[2:] in POLARITIES or re.fullmatch(r"\+\d", token[2:])):
        return "polarity"
    if re.fullmatch(r"\nBy \w+ \d|, (?:popularity|rating|together|follows) \d", token):
        return "guess"
    if re.fullmatch(r"(?:nothing)? = .*", token):
        return "balance"
    if token.startswith(" > "):
        return "rank"
    return "count" if " of " in token else "text"


def carried(folder: Path, tokenizer: PreTrainedTokenizerFast) -> dict[str, Tensor]:
    """Return exported weights, adapted to a tokenizer that may differ from theirs.

    A token that the old tokenizer lacks gets the mean embedding of the old tokens that spell it.
    """
    before = PreTrainedTokenizerFast.from_pretrained(folder)
    exported = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).model.state_dict()
    known, codes = before.get_vocab(), exported["embed_tokens.weight"]
    made_of = {
        place: [known[token]] if token in known else before(tokenizer.decode([place])).input_ids
        for token, place in tokenizer.get_vocab().items()
    }
    codes = torch.stack([codes[made_of[place]].mean(0) for place in range(len(tokenizer))])
    return {**exported, "embed_tokens.weight": codes}


def train(
    out: Path,
    tokens: float,
    rate: float,
    seed: int,
    save_every: int,
    begin: Path | None = None,
    seen: int = 0,
) -> None:
    """Train until `tokens` were seen.

    Training starts from the checkpoint in `out` if there is one, else from the weights in `begin`
    (which have seen `seen` tokens), else from random weights.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        distributed.init_process_group("gloo")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(out)
    model, reader = Decoder(), Reader(tokenizer, seed, rank, world)
    implant(model, tokens_like(tokenizer, MARK), aliases(tokenizer))
    compiled = Compiled.of(model)
    both, results = optimizers(model, rate), tokens_like(tokenizer, RESULTS)
    step, checkpoint = 0, Checkpoint(out / "checkpoint.pt", model, both, reader)
    if checkpoint.path.is_file():
        step, seen = checkpoint.restore(rank)
    elif begin is not None:
        model.load_state_dict(carried(begin, tokenizer))
    size = sum(weight.numel() for weight in model.parameters())
    print(f"{size / 1e6:.2f} M parameters, from step {step}", flush=True)
    scale = {"total": int(tokens), "initial": seen, "unit": "tok", "unit_scale": True}
    bar = tqdm(**scale, mininterval=30, disable=rank > 0)
    started, losses = time.time(), []
    while seen < tokens:
        factor = min(1.0, (step + 1) / WARM_UP, max(0.0, 1.0 - seen / tokens) / END)
        batch = reader.batch(course_after(seen / tokens))
        loss, _ = loss_of(model, compiled, results, batch)
        loss.backward()
        if world > 1:
            _average(model.parameters(), world)
        _update(model, both, (rate * factor, rate / 12 * factor))
        step, seen = step + 1, seen + world * BATCH_TOKENS
        losses.append(loss.item())
        bar.update(world * BATCH_TOKENS)
        if step % 50 == 0 and rank == 0:
            after = f"{time.time() - started:.0f}s {seen / 1e6:.2f}M tokens"
            print(f"\nstep {step} {after} loss {np.mean(losses[-50:]):.4f}", flush=True)
        if step % save_every == 0 or seen >= tokens:
            readers = [reader.state()] * world
            if world > 1:
                distributed.all_gather_object(readers, reader.state())
            if rank > 0:
                continue
            _report(model, compiled, tokenizer, course_after(seen / tokens).eager)
            export(model, tokenizer, out / "model")
            checkpoint.save(step, seen, readers)


class Checkpoint(NamedTuple):
    """The file with the whole state of a training, and what has that state."""

    path: Path
    model: Decoder
    optimizers: Sequence[torch.optim.Optimizer]
    reader: Reader

    def restore(self, rank: int) -> tuple[int, int]:
        """Restore the state of a process; return the steps and the tokens that were trained."""
        state = torch.load(self.path, weights_only=False)
        self.model.load_state_dict(state["model"])
        for optimizer, its in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its)
        self.reader.restore(state["readers"][rank])
        return state["step"], state["seen"]

    def save(self, step: int, seen: int, readers: Sequence[object]) -> None:
        """Write the state; `readers` has the state of the reader of each process."""
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": step,
            "seen": seen,
            "readers": readers,
        }
        torch.save(state, self.path.with_suffix(".new"))
        self.path.with_suffix(".new").replace(self.path)


def _update(
    model: Decoder, both: Sequence[torch.optim.Optimizer], rates: tuple[float, float]
) -> None:
    """Clip the gradients, and let each optimizer make a step at its learning rate."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, rate in zip(both, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()


def _average(parameters: Iterable[Tensor], world: int) -> None:
    """Replace the gradients of all processes by their mean."""
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    parts = (flat / world).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def _report(
    model: Decoder, compiled: Compiled, tokenizer: PreTrainedTokenizerFast, eager: bool
) -> None:
    courses = {
        "sort": Course(sort=1),
        "drill": Course(drill=1, eager=eager),
        "decide": Course(eager=eager),
        "reflect": Course(reflect=1, eager=eager),
    }
    for name, course in courses.items():
        shares = accuracies(model, compiled, tokenizer, course)
        said = ", ".join(f"{kind} {share:.3f}" for kind, share in shares.items())
        print(f"  {name}: {said}", flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("build"))
    arguments.add_argument("--tokens", type=float, default=90e6)
    arguments.add_argument("--rate", type=float, default=0.01)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--save-every", type=int, default=200)
    arguments.add_argument("--begin", type=Path, help="exported weights to start from")
    arguments.add_argument("--seen", type=float, default=0, help="tokens that they have seen")
    given = arguments.parse_args()
    if given.seed == HELD_OUT:
        arguments.error(f"--seed {HELD_OUT}: its users are for validation; take another seed")
    if (given.begin is None) != (given.seen == 0):
        arguments.error("--begin and --seen go together: weights, and the tokens they have seen")
    if given.seen >= given.tokens:
        arguments.error(f"--seen {given.seen:g}: nothing is left of --tokens {given.tokens:g}")
    if not (given.out / "tokenizer.json").is_file():
        arguments.error(
            f"{given.out} has no tokenizer: run `python tokenizer.py --out {given.out}` first"
        )
    if given.begin and (given.out / "checkpoint.pt").is_file():
        arguments.error(f"{given.out} holds a checkpoint: go on without --begin, or take --out")
    train(
        given.out,
        given.tokens,
        given.rate,
        given.seed,
        given.save_every,
        given.begin,
        int(given.seen),
    )
