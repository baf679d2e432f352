"""Two updates under `torchrun`, for the test that compares one process with two."""

import json
import sys

import torch

from starec_sim.learning.grpo import Objective, lessons
from starec_sim.learning.learner import Learner, Optimisation
from starec_sim.learning.models import load
from starec_sim.learning.rows import Rollout, Row


def rollouts():
    """Five groups of ragged answers, so that two processes get unequal shares."""
    draw = torch.Generator().manual_seed(0)

    def ids(count):
        return tuple(torch.randint(3, 259, (count,), generator=draw).tolist())

    for group in range(5):
        prompt = ids(6 + 3 * group)
        for number in range(3):
            row = Row(prompt, ids(2 + number), (True,) * (2 + number), (-5.5,) * (2 + number))
            yield Rollout(str(group), "fast", (row,), float(number), "v", 1.0)


def main():
    torch.set_num_threads(1)
    batch = lessons(list(rollouts()), Objective()).lessons
    updates = []
    for method in ("full", "lora"):
        torch.manual_seed(0)
        learner = Learner(
            load(sys.argv[1], method=method), Optimisation(lr=1e-3), steps=2, batch_tokens=64
        )
        learner.anchor()
        for _ in range(2):
            update = learner.improve(batch, Objective(kl=0.1), 1.0)
            updates += [update.loss, update.gradient, update.kl]
    if learner.accelerator.is_main_process:
        print(json.dumps({"processes": learner.accelerator.num_processes, "updates": updates}))


if __name__ == "__main__":
    main()
