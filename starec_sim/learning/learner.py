"""The learner: weights, optimizer, schedule. One update at a time, on one process or many.

The loss lives in `forward` of one module, so that the hooks of DDP, FSDP and DeepSpeed fire; which
of them is used is accelerate's business (`torchrun`, `accelerate launch`). All processes see all
lessons and take every k-th pack: weights are those of the whole batch, so the gradient does not
depend on how many processes there are.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from starec_sim.errors import LearningError
from starec_sim.learning.grpo import Objective, clipped, divergence, ratios, surrogate
from starec_sim.learning.models import Weights, gathered, spread
from starec_sim.learning.packing import Pack, TrainingRow, log_probabilities, packs
from starec_sim.settings import Settings


class DivergenceError(LearningError):
    """The policy got worse in a way that more steps cannot mend."""


class Optimisation(Settings):
    """How weights follow the gradient (AdamW)."""

    lr: float = Field(default=1e-5, gt=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = Field(default=0, ge=0)
    """Steps over which the rate rises; the first of them learns already."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_norm: float = Field(default=1.0, gt=0)
    """The gradient is cut to this length."""

    def share_of_rate(self, done: int, steps: int) -> float:
        """Return the share of `lr` to learn with, after `done` of so many steps.

        The schedules of transformers, but for the warm-up: theirs begins at 0, so that a first
        step of hundreds of rollouts would teach nothing, and `constant` has none.
        """
        if done < self.warmup:
            return (done + 1) / (self.warmup + 1)
        passed = (done - self.warmup) / max(steps - self.warmup, 1)
        if self.schedule == "linear":
            return max(0.0, 1.0 - passed)
        return 0.5 * (1.0 + math.cos(math.pi * passed)) if self.schedule == "cosine" else 1.0


class Update(NamedTuple):
    """What one update did."""

    loss: float
    gradient: float
    """Length of the gradient before it was cut."""
    tokens: int
    """Ids learned from."""
    read: int
    """Ids that went through the model, padding included."""
    entropy: float
    """Nats, mean over the ids learned from."""
    kl: float
    """From the anchor, nats, mean over the ids learned from; 0 without one."""
    clip_share: float
    ratio_gap: float
    """Mean distance of the importance ratio from 1: how stale the samples are."""
    seconds: float


class _Loss(torch.nn.Module):
    """The policy and its loss, as one module."""

    def __init__(self, policy: Any, autocast: bool) -> None:
        super().__init__()
        self.policy = policy
        self.autocast = autocast
        # By this name accelerate finds the layers that FSDP gathers one after the other.
        self._no_split_modules = policy._no_split_modules

    def forward(
        self, pack: Pack, objective: Objective | None = None, anchor: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Judge a pack. Without an objective, imitate.

        Returns:
            The loss; the sums of what is watched; the log-probability of each id.
        """
        with torch.autocast(pack.ids.device.type, torch.bfloat16, enabled=self.autocast):
            new, entropy = log_probabilities(self.policy, pack)
        kl = clip = gap = torch.zeros_like(new)
        if objective is None:
            loss = -(new * pack.weight).sum()
        else:
            ratio = ratios(new, pack.old, pack.span)
            gain = surrogate(ratio, pack.advantage, objective.clip_low, objective.clip_high)
            if anchor is not None:
                kl = divergence(new, anchor)
                gain = gain - objective.kl * kl
            loss = -(gain * pack.weight).sum()
            clip = clipped(ratio, pack.advantage, objective.clip_low, objective.clip_high).float()
            gap = (ratio - 1).abs()
        counted = (pack.weight != 0).to(new.dtype)
        watched = torch.stack([entropy, kl, clip, gap, torch.ones_like(new)]) * counted
        return loss, watched.detach().sum(1), new.detach()


class Learner:
    """Improves weights, one update at a time.

    Args:
        weights: What learns.
        optimisation: How.
        steps: How many there will be, for the schedule; `end_step` ends one.
        batch_tokens: Ids in one forward pass, padding included.
    """

    def __init__(
        self,
        weights: Weights,
        optimisation: Optimisation,
        *,
        steps: int,
        batch_tokens: int = 8192,
    ) -> None:
        from accelerate import Accelerator

        self.weights = weights
        self._settings = optimisation
        self._batch_tokens = batch_tokens
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available())
        module = _Loss(weights.model, weights.autocast)
        parameters = [p for p in module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            parameters, lr=optimisation.lr, weight_decay=optimisation.weight_decay
        )
        self._net, self._optimizer = self.accelerator.prepare(module, optimizer)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda done: optimisation.share_of_rate(done, steps)
        )
        self._anchor: list[Tensor] = []

    def anchor(self) -> None:
        """Remember the weights as they are: what the divergence is measured from."""
        self._anchor = [p.detach().clone() for p in self._learning()]

    def imitate(self, lessons: Sequence[TrainingRow]) -> Update:
        """Make one step towards what the lessons say: token cross-entropy, weighted."""
        return self._update(lessons, None, 1.0)

    def improve(
        self, lessons: Sequence[TrainingRow], objective: Objective, temperature: float
    ) -> Update:
        """Make one step of GRPO.

        Args:
            lessons: From `grpo.lessons`.
            objective: The variant.
            temperature: At which the rollouts were sampled.
        """
        return self._update(lessons, objective, temperature)

    def end_step(self) -> None:
        """Move the schedule on."""
        with warnings.catch_warnings():
            # Torch takes a step from which nothing could be learned for one made too early.
            warnings.simplefilter("ignore", UserWarning)
            self._schedule.step()

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs besides the weights.

        Every process must call this, and the first one keeps it: the others get no moments.
        """
        optimizer = self._optimizer.state_dict()
        moments: dict[int, dict[str, Tensor]] = {}
        for number, kept in optimizer["state"].items():
            for name, values in kept.items():
                whole = gathered(values)
                if self.accelerator.is_main_process:
                    moments.setdefault(number, {})[name] = whole.cpu()
        optimizer["state"] = moments
        return {
            "optimizer": optimizer,
            "schedule": self._schedule.state_dict(),
            "random": torch.get_rng_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on exactly from a state. Every process must call this."""
        optimizer, learning = dict(state["optimizer"]), self._learning()
        optimizer["state"] = {
            number: {name: spread(values, learning[number]) for name, values in kept.items()}
            for number, kept in optimizer["state"].items()
        }
        self._optimizer.load_state_dict(optimizer)
        self._schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])

    def writer(self) -> Callable[[Path], None]:
        """Return what writes a version. Every process must call this, and one the result."""
        state: dict[str, Tensor] | None = None
        if self.accelerator.distributed_type == "FSDP":
            if self.weights.method == "lora":  # the base is gathered for nobody
                learned = self.weights.trainable()
                state = {name: gathered(values.detach()) for name, values in learned.items()}
            else:
                whole: Any = self.accelerator.get_state_dict(self._net)
                state = {name.removeprefix("policy."): value for name, value in whole.items()}
        return lambda folder: self.weights.save(folder, state)

    def _learning(self) -> list[torch.nn.Parameter]:
        return [p for p in self._net.parameters() if p.requires_grad]

    def _update(
        self, lessons: Sequence[TrainingRow], objective: Objective | None, temperature: float
    ) -> Update:
        start = time.perf_counter()
        accelerator, net = self.accelerator, self._net
        all_packs = packs(lessons, tokens=self._batch_tokens, temperature=temperature)
        mine = [pack.to(accelerator.device) for pack in self._share(all_packs)]
        anchored: list[Tensor | None] = [None] * len(mine)
        measured = objective is not None and objective.kl > 0 and bool(self._anchor)
        if measured:
            with self._as_anchor(), torch.no_grad():
                anchored = [net(pack)[2] for pack in mine]
        self._optimizer.zero_grad()
        loss = torch.zeros((), device=accelerator.device)
        watched = torch.zeros(5, device=accelerator.device)
        for number, (pack, anchor) in enumerate(zip(mine, anchored, strict=True), 1):
            # Gradients meet once, at the last pack.
            alone = contextlib.nullcontext() if number == len(mine) else accelerator.no_sync(net)
            with alone:
                part, seen, _ = net(pack, objective, anchor)
                # DDP takes the mean over processes; the loss is a sum over them.
                accelerator.backward(part * accelerator.num_processes)
            loss += part.detach()
            watched += seen
        reduced: Any = accelerator.reduce(torch.cat([loss.reshape(1), watched]))
        total, entropy, kl, clip, gap, count = reduced.tolist()
        norm = accelerator.clip_grad_norm_(self._learning(), self._settings.max_norm)
        gradient = float(norm) if norm is not None else math.nan
        if not (math.isfinite(total) and math.isfinite(gradient)):
            raise DivergenceError(
                f"the loss is {total:g} and its gradient {gradient:g}; both must be finite",
                hint="lower the learning rate, or learn in fp32",
            )
        self._optimizer.step()
        count = max(count, 1.0)
        return Update(
            total,
            gradient,
            int(count),
            sum(pack.ids.numel() for pack in all_packs),
            entropy / count,
            kl / count if measured else math.nan,
            clip / count,
            gap / count,
            time.perf_counter() - start,
        )

    def _share(self, all_packs: Sequence[Pack]) -> list[Pack]:
        """Return this process's packs: as many as every other has, for their hooks meet."""
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        mine = list(all_packs[rank::processes])
        while len(mine) < math.ceil(len(all_packs) / processes):
            mine.append(all_packs[-1].silent())
        return mine

    @contextlib.contextmanager
    def _as_anchor(self) -> Iterator[None]:
        """Put the anchor's values where the learning ones are, for a while.

        In place, so that it works for adapters and whole weights, sharded or not, at the cost of
        two copies of what learns.
        """
        learning = [p.data for p in self._learning()]
        kept = [values.clone() for values in learning]
        for values, anchor in zip(learning, self._anchor, strict=True):
            values.copy_(anchor)
        try:
            yield
        finally:
            # For a backward pass that does not come, FSDP has kept the anchor's values gathered.
            for module in self._net.modules():
                if isinstance(module, FSDPModule):
                    module.reshard()
            for values, before in zip(learning, kept, strict=True):
                values.copy_(before)
