"""Three updates, for the tests that compare one process with two.

After the first of them the learner is written to the folder, and a second one continues from there.
"""

import json
import os

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType
from torch.distributed.fsdp import FSDPModule

from starec_sim.learning.advantages import Objective
from starec_sim.learning.grpo import make_batch
from starec_sim.learning.learner import Learner, Optimisation
from starec_sim.learning.models import load
from starec_sim.learning.rows import Rollout, TokenRow


def rollouts():
    """Three groups of ragged answers, so that two processes get unequal shares."""
    draw = torch.Generator().manual_seed(0)

    def ids(count):
        return tuple(torch.randint(3, 259, (count,), generator=draw).tolist())

    for group in range(3):
        prompt = ids(6 + 3 * group)
        for number in range(3):
            row = TokenRow(prompt, ids(2 + number), (True,) * (2 + number), (-5.5,) * (2 + number))
            yield Rollout(str(group), "fast", (row,), float(number), "v", 1.0)


def shard():
    """Let accelerate shard weights over CPUs; on its own it does so on graphics cards only."""
    PartialState(cpu=True)
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_HPU


def begin(model, method):
    torch.manual_seed(0)
    weights = load(model, method=method)
    optimisation = Optimisation(lr=1e-3, schedule="linear")
    learner = Learner(weights, optimisation, steps=4, batch_tokens=64)
    learner.set_reference()
    return learner


def keep(learner, folder):
    """Write a version and its checkpoint, as a training does."""
    write, state = learner.writer(), learner.state()
    if learner.accelerator.is_main_process:
        write(folder)
        torch.save(state, folder / "state.pt")
    learner.accelerator.wait_for_everyone()


def run(model, place):
    """Make the updates with a model, in the processes there are; write `results.json`."""
    torch.set_num_threads(1)
    if os.environ.get("ACCELERATE_USE_FSDP"):
        shard()
    batch = make_batch(list(rollouts()), Objective()).rows
    results = {"updates": [], "resumed": []}
    for method in ("full", "lora"):
        learner = begin(model, method)
        results["updates"].append(updated(learner, batch))
        keep(learner, place / method)
        # The second is made with restored moments, and the third shows its effect.
        results["updates"] += [updated(learner, batch) for _ in range(2)]
        again = begin(model, method)
        again.weights.load_version(place / method)
        again.restore(torch.load(place / method / "state.pt", weights_only=True))
        results["resumed"] += [updated(again, batch) for _ in range(2)]
    results["processes"] = learner.accelerator.num_processes
    results["sharded"] = sum(isinstance(one, FSDPModule) for one in learner._net.modules())
    results["type"] = learner.accelerator.distributed_type.value
    if learner.accelerator.is_main_process:
        (place / "results.json").write_text(json.dumps(results))


def updated(learner, batch):
    update = learner.improve(batch, Objective(kl=0.1), 1.0)
    learner.end_step()
    return [update.loss, update.gradient, update.kl]
