"""The learner: weights, optimizer, schedule. One update at a time, on one process or many.

The loss is computed in `forward` of one module, so that the hooks of DDP, FSDP and DeepSpeed run;
accelerate decides which of them is used (`torchrun`, `accelerate launch`). All processes get all
training rows and take every k-th pack. The weights of ids are computed over the whole batch, so the
gradient does not depend on the number of processes.
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
from starec_sim.learning.advantages import Objective
from starec_sim.learning.grpo_loss import grpo_loss
from starec_sim.learning.models import TrainedWeights, gathered, shard
from starec_sim.learning.packing import Pack, TrainingRow, log_probabilities, packs
from starec_sim.settings import Settings


class DivergenceError(LearningError):
    """The policy got worse in a way that more steps cannot repair."""


class Optimisation(Settings):
    """The settings of AdamW and its schedule."""

    lr: float = Field(default=1e-5, gt=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises; it is not 0 in the first of them."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_norm: float = Field(default=1.0, gt=0)
    """The gradient is scaled down to this norm."""

    def share_of_rate(self, done: int, steps: int) -> float:
        """Return the share of `lr` that is used after `done` of `steps` steps.

        These are the schedules of transformers, except for the warm-up: theirs begins at 0, so
        that nothing would be learned from the hundreds of rollouts of a first step, and their
        `constant` has none.
        """
        if done < self.warmup:
            return (done + 1) / (self.warmup + 1)
        passed = (done - self.warmup) / max(steps - self.warmup, 1)
        if self.schedule == "linear":
            return max(0.0, 1.0 - passed)
        return 0.5 * (1.0 + math.cos(math.pi * passed)) if self.schedule == "cosine" else 1.0


class Update(NamedTuple):
    """What one update of the weights did."""

    loss: float
    gradient: float
    """Norm of the gradient before it was scaled down."""
    tokens: int
    """Ids learned from."""
    read: int
    """Ids that went through the model, padding included."""
    entropy: float
    """Nats, mean over the ids learned from."""
    kl: float
    """From the reference policy, nats, mean over the ids learned from; NaN without one."""
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
        self, pack: Pack, objective: Objective | None = None, reference: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the loss of a pack: GRPO's with an objective, else weighted cross-entropy.

        Returns:
            The loss; the sums over ids of entropy, KL, clip, ratio gap and 1; the
            log-probability of each id.
        """
        with torch.autocast(pack.ids.device.type, torch.bfloat16, enabled=self.autocast):
            new, entropy = log_probabilities(self.policy, pack)
        kl = clip = gap = torch.zeros_like(new)
        if objective is None:
            loss = -(new * pack.weight).sum()
        else:
            loss, kl, clip, gap = grpo_loss(
                new, pack.old, reference, pack.advantage, pack.weight, pack.span, objective
            )
        counted = (pack.weight != 0).to(new.dtype)
        sums = (torch.stack([entropy, kl, clip, gap, torch.ones_like(new)]) * counted).sum(1)
        return loss, sums.detach(), new.detach()


class Learner:
    """Updates weights, one batch at a time.

    Args:
        weights: What learns.
        optimisation: Settings of the optimizer.
        steps: How many steps there will be, for the schedule; `end_step` ends one.
        batch_tokens: Ids in one forward pass, padding included.
    """

    def __init__(
        self,
        weights: TrainedWeights,
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
        self._reference: list[Tensor] = []

    def set_reference(self) -> None:
        """Take the weights as they are now as the reference policy of the KL term."""
        self._reference = [p.detach().clone() for p in self._learning()]

    def imitate(self, rows: Sequence[TrainingRow], temperature: float = 1.0) -> Update:
        """Make one step down the weighted cross-entropy of the rows' ids, as SFT does.

        Args:
            rows: Ids with a negative weight become less likely.
            temperature: At which log-probabilities are taken.
        """
        return self._update(rows, None, temperature)

    def improve(
        self, rows: Sequence[TrainingRow], objective: Objective, temperature: float
    ) -> Update:
        """Make one step of GRPO.

        Args:
            rows: From `starec_sim.learning.grpo.make_batch`.
            objective: The variant.
            temperature: At which the rollouts were sampled.
        """
        return self._update(rows, objective, temperature)

    def log_probabilities(
        self, rows: Sequence[TrainingRow], temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Return the log-probability of each row, as the weights are and of the reference policy.

        Args:
            rows: Numbered from 0.
            temperature: At which log-probabilities are taken.

        Returns:
            Two tensors of shape (rows,), on the CPU: sums over the ids that the policy wrote.
        """
        mine = self._share(packs(rows, tokens=self._batch_tokens, temperature=temperature))

        def sums() -> Tensor:
            total = torch.zeros(len(rows), device=self.accelerator.device)
            for pack in (pack.to(self.accelerator.device) for pack in mine):
                counted = (pack.weight != 0).float()
                total.index_add_(0, pack.row, self._net(pack)[2].float() * counted)
            whole: Any = self.accelerator.reduce(total)
            return torch.as_tensor(whole).cpu()

        with torch.no_grad():
            new = sums()
            with self._as_reference():
                return new, sums()

    def end_step(self) -> None:
        """Advance the schedule by one step."""
        with warnings.catch_warnings():
            # Torch warns where nothing could be learned: no step of the optimizer came before.
            warnings.simplefilter("ignore", UserWarning)
            self._schedule.step()

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs besides the weights.

        Every process must call this; only the first one gets the moments of the optimizer.
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
        """Continue exactly from a state. Every process must call this."""
        optimizer, learning = dict(state["optimizer"]), self._learning()
        optimizer["state"] = {
            number: {name: shard(values, learning[number]) for name, values in kept.items()}
            for number, kept in optimizer["state"].items()
        }
        self._optimizer.load_state_dict(optimizer)
        self._schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])

    def writer(self) -> Callable[[Path], None]:
        """Return a function that writes the weights.

        Every process must call this; the first one calls the function that is returned.
        """
        state: dict[str, Tensor] | None = None
        if self.accelerator.distributed_type == "FSDP":
            if self.weights.method == "lora":  # the base does not learn
                learned = self.weights.trainable()
                state = {name: gathered(values.detach()) for name, values in learned.items()}
            else:
                whole: Any = self.accelerator.get_state_dict(self._net)
                state = {name.removeprefix("policy."): value for name, value in whole.items()}
        return lambda folder: self.weights.save(folder, state)

    def _learning(self) -> list[torch.nn.Parameter]:
        return [p for p in self._net.parameters() if p.requires_grad]

    def _update(
        self, rows: Sequence[TrainingRow], objective: Objective | None, temperature: float
    ) -> Update:
        start = time.perf_counter()
        accelerator, net = self.accelerator, self._net
        all_packs = packs(rows, tokens=self._batch_tokens, temperature=temperature)
        mine = [pack.to(accelerator.device) for pack in self._share(all_packs)]
        references: list[Tensor | None] = [None] * len(mine)
        with_kl = objective is not None and objective.kl > 0 and bool(self._reference)
        if with_kl:
            with self._as_reference(), torch.no_grad():
                references = [net(pack)[2] for pack in mine]
        self._optimizer.zero_grad()
        loss = torch.zeros((), device=accelerator.device)
        sums = torch.zeros(5, device=accelerator.device)
        for number, (pack, reference) in enumerate(zip(mine, references, strict=True), 1):
            # Gradients are exchanged between processes once, at the last pack.
            last = number == len(mine)
            with contextlib.nullcontext() if last else accelerator.no_sync(net):
                part, of_pack, _ = net(pack, objective, reference)
                # DDP takes the mean over processes; the loss is a sum over them.
                accelerator.backward(part * accelerator.num_processes)
            loss += part.detach()
            sums += of_pack
        reduced: Any = accelerator.reduce(torch.cat([loss.reshape(1), sums]))
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
            kl / count if with_kl else math.nan,
            clip / count,
            gap / count,
            time.perf_counter() - start,
        )

    def _share(self, all_packs: Sequence[Pack]) -> list[Pack]:
        """Return the packs of this process. All have as many: the hooks of DDP and FSDP wait."""
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        mine = list(all_packs[rank::processes])
        while len(mine) < math.ceil(len(all_packs) / processes):
            mine.append(all_packs[-1].without_weight())
        return mine

    @contextlib.contextmanager
    def _as_reference(self) -> Iterator[None]:
        """Give the model the weights of the reference policy; restore its own afterwards.

        In place, so that it works for adapters and whole weights, sharded or not, at the cost of
        two copies of what learns.
        """
        learning = [p.data for p in self._learning()]
        kept = [values.clone() for values in learning]
        for values, reference in zip(learning, self._reference, strict=True):
            values.copy_(reference)
        try:
            yield
        finally:
            # FSDP keeps the gathered values for a backward pass, which does not happen here.
            for module in self._net.modules():
                if isinstance(module, FSDPModule):
                    module.reshard()
            for values, before in zip(learning, kept, strict=True):
                values.copy_(before)
