"""Supervised training (SFT) from scratch, on a corpus that is generated while it is read.

The loss is on answers and on the hints inside questions. Batches have a few fixed shapes, so that
one compiled trunk serves all of them. Muon trains the matrices of the layers, AdamW the rest. The
learning rate is constant and falls linearly at the end, so that the end can be moved. The
checkpoint holds the whole state: stop the script anywhere and run the same command again.

    torchrun --standalone --nproc-per-node 2 sft.py
    ... sft.py --begin ../../starec_sim/policies/nano/anchored --seen 236e6 --tokens 260e6 --seed 5
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
from corpus import Course, Sample, sample
from hints import hints
from model import Decoder, export, implant
from torch import Tensor, distributed
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starec_sim.policies.reasoner import POLARITIES

LENGTHS = (128, 256, 384, 640, 896, 1280)
BATCH_TOKENS = 8_192
HEAD_ROWS = 512
"""The head computes a multiple of this number of predictions, so that few shapes occur."""
WARM_UP = 40
END = 0.5
"""The share of the training, at its end, in which the rate falls to 0."""
HINT = 0.5
"""The weight of a hint in the loss; a token of an answer has weight 1."""
RESULT = 4.0
"""The weight of a balance, a place of a ranking and a together count's value in the loss. They are
few, and the ranking depends on them."""
NOT_LEARNED = -100
SORT = ((1e6, 0.0), (2e6, 0.8), (26e6, 0.8), (28e6, 0.3), (50e6, 0.15))
DRILL = ((1e6, 0.9), (4e6, 0.25), (30e6, 0.25), (40e6, 0.1))
EASY = ((3e6, 1.0), (9e6, 0.15), (30e6, 0.15), (40e6, 0.4), (130e6, 0.4), (138e6, 0.1))
REFLECT = ((10e6, 0.0), (20e6, 0.25), (80e6, 0.25), (81e6, 0.4), (150e6, 0.4), (151e6, 0.15))
"""The chances of a `Course` as (tokens seen, chance) pairs, linear in between. The model first
learns to look things up, then to do it in long questions. The hardest questions come often. Short
logs come back later, because there an answer is hardly more than doing what its first line says."""
EAGER_TOKENS = 10e6
"""Until this many tokens the teacher also names attributes that were met only once."""
HELD_OUT = 7
"""The seed of the users for validation, on whom the model is never trained."""


def course_after(seen: float) -> Course:
    """Return the course after `seen` tokens."""
    chances = (
        float(np.interp(seen, *zip(*plan, strict=True))) for plan in (SORT, DRILL, EASY, REFLECT)
    )
    return Course(*chances, seen < EAGER_TOKENS)


class Reader:
    """Turns the corpus into batches of fixed shapes."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, seed: int, first: int = 0, step: int = 1
    ) -> None:
        self.tokenizer, self.seed = tokenizer, seed
        self.user, self.step = first, step
        self.waiting: dict[int, list[tuple[list[int], list[int], int]]] = defaultdict(list)
        """Encoded samples by padded length, which wait until there are enough for a batch."""

    def batch(self, course: Course) -> tuple[Tensor, Tensor, Tensor]:
        """Return token ids, the target after each, and whether that target belongs to an answer.

        All have shape (batch, length); positions without a target are `NOT_LEARNED`.
        """
        while True:
            for length, rows in self.waiting.items():
                size = BATCH_TOKENS // length
                if len(rows) >= size:
                    self.waiting[length] = rows[size:]
                    return self._filled(rows[:size], length)
            for one in sample(self.seed, self.user, course):
                row = encoded(self.tokenizer, one)
                fitting = [length for length in LENGTHS if len(row[0]) <= length]
                if fitting:
                    self.waiting[fitting[0]].append(row)
            self.user += self.step

    def _filled(
        self, rows: list[tuple[list[int], list[int], int]], length: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        ids = np.full((len(rows), length), self.tokenizer.pad_token_id)
        following = np.full((len(rows), length), NOT_LEARNED)
        answers = np.zeros((len(rows), length), bool)
        for place, (read, wanted, asked) in enumerate(rows):
            ids[place, : len(read)] = read
            following[place, : len(read)] = wanted
            answers[place, asked - 1 : len(read)] = True
        return torch.from_numpy(ids), torch.from_numpy(following), torch.from_numpy(answers)

    def state(self) -> dict[str, Any]:
        return {"life": self.user, "waiting": dict(self.waiting)}

    def restore(self, state: dict[str, Any]) -> None:
        self.user = state["life"]
        self.waiting = defaultdict(list, state["waiting"])


def encoded(tokenizer: PreTrainedTokenizerFast, one: Sample) -> tuple[list[int], list[int], int]:
    """Return token ids, the target after each, and how many of the ids belong to the question."""
    messages = [{"role": role, "content": text} for role, text in one.messages]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    read = tokenizer(text, return_offsets_mapping=True)
    question, ends = read.input_ids, {end: n for n, (_, end) in enumerate(read.offset_mapping)}
    given = tokenizer(one.given).input_ids
    answer = tokenizer(one.answer + tokenizer.eos_token).input_ids
    following = [NOT_LEARNED] * (len(question) + len(given))
    asked = next(text for role, text in one.messages if role == "user")
    start = text.index(asked)
    habit = "\nBy habit" in one.answer
    for end, word in hints(asked, one.tastes, habit) if one.tastes else ():
        token, place = tokenizer(word).input_ids, ends.get(start + end)
        if place is not None and len(token) == 1:
            following[place] = token[0]
    question += given
    following[-1] = answer[0]
    return question + answer, [*following, *answer[1:], NOT_LEARNED], len(question)


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


def loss_of(
    model: Decoder, trunk: Any, results: Tensor, ids: Tensor, following: Tensor, answers: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the weighted loss per answer token, and which predictions are right.

    The loss is sum(weight * cross entropy) over all targets / number of answer tokens.
    """
    places = (following.flatten() != NOT_LEARNED).nonzero().squeeze(1)
    # Padded to few shapes, because each shape compiles a kernel that stays in memory.
    padded = functional.pad(places, (0, -len(places) % HEAD_ROWS))
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.head(trunk(ids).flatten(0, 1)[padded])[: len(places)]
    wanted, answered = following.flatten()[places], answers.flatten()[places]
    losses = functional.cross_entropy(logits.float(), wanted, reduction="none")
    weights = torch.where(answered, torch.where(torch.isin(wanted, results), RESULT, 1.0), HINT)
    loss = (losses * weights).sum() / answered.sum()
    return loss, logits.argmax(-1) == wanted


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
    model: Decoder, trunk: Any, tokenizer: PreTrainedTokenizerFast, course: Course, batches: int = 3
) -> dict[str, float]:
    """Return the share of right predictions on the users for validation, by kind of token."""
    reader = Reader(tokenizer, HELD_OUT)
    texts = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    results = tokens_like(tokenizer, RESULTS)
    right: dict[str, list[bool]] = defaultdict(list)
    for _ in range(batches):
        batch = reader.batch(course)
        _, hits = loss_of(model, trunk, results, *batch)
        _, following, answers = (part.flatten() for part in batch)
        learned = following != NOT_LEARNED
        tokens, answered = following[learned].tolist(), answers[learned].tolist()
        for token, answer, hit in zip(tokens, answered, hits.tolist(), strict=True):
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
    # One kernel for each length, with gradients and without; torch compiles no more than these.
    torch._dynamo.config.recompile_limit = 2 * len(LENGTHS)
    trunk = torch.compile(model, dynamic=False)
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
        batch = reader.batch(course_after(seen))
        loss, _ = loss_of(model, trunk, results, *batch)
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
            _report(model, trunk, tokenizer, course_after(seen).eager)
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


def _report(model: Decoder, trunk: Any, tokenizer: PreTrainedTokenizerFast, eager: bool) -> None:
    courses = {
        "sort": Course(sort=1),
        "drill": Course(drill=1, eager=eager),
        "decide": Course(eager=eager),
        "reflect": Course(reflect=1, eager=eager),
    }
    for name, course in courses.items():
        shares = accuracies(model, trunk, tokenizer, course)
        said = ", ".join(f"{kind} {share:.3f}" for kind, share in shares.items())
        print(f"  {name}: {said}", flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("build"))
    arguments.add_argument("--tokens", type=float, default=236e6)
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
