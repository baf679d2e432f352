"""The loss agrees with TRL's loss on the same rows."""

import numpy as np
import pytest

from starec_sim.learning.advantages import Objective, advantages
from starec_sim.learning.grpo import make_batch
from starec_sim.learning.learner import Learner, Optimisation
from starec_sim.learning.models import TrainedWeights
from starec_sim.learning.rows import Rollout, TokenRow

from .conftest import make_model, make_tokenizer

torch = pytest.importorskip("torch")


def rollouts():
    """Two groups of ragged answers, sampled by a policy that differs from the one that learns."""
    rng = np.random.default_rng(0)
    for group in range(2):
        prompt = tuple(rng.integers(3, 259, 7 + 5 * group).tolist())
        for _ in range(3):
            length = int(rng.integers(2, 9))
            completion = tuple(rng.integers(3, 259, length).tolist())
            logprobs = tuple((-6 + rng.normal(0, 0.5, length)).tolist())
            row = TokenRow(prompt, completion, (True,) * length, logprobs)
            yield Rollout(str(group), "fast", (row,), float(rng.normal()), "v", 1.0)


def padded(rows, side):
    width = max(map(len, rows))
    spaces = [(0,) * (width - len(row)) for row in rows]
    ones = [(1,) * len(row) for row in rows]
    if side == "left":
        ids = [space + row for space, row in zip(spaces, rows, strict=True)]
        mask = [space + one for space, one in zip(spaces, ones, strict=True)]
    else:
        ids = [row + space for space, row in zip(spaces, rows, strict=True)]
        mask = [one + space for space, one in zip(spaces, ones, strict=True)]
    return torch.tensor(ids), torch.tensor(mask)


@pytest.mark.parametrize(
    ("loss_type", "mean", "beta"),
    [
        ("grpo", "rollout", 0.0),
        ("bnpo", "token", 0.0),
        ("dr_grpo", "constant", 0.0),
        ("grpo", "rollout", 0.3),
    ],
)
def test_the_loss_is_that_of_trl_on_the_same_rows(tmp_path, loss_type, mean, beta):
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    batch = list(rollouts())
    objective = Objective(mean=mean, kl=beta, constant_tokens=16, divide_by_deviation=True)
    model = make_model()
    learner = Learner(
        TrainedWeights(model, None, "", "full", autocast=False), Optimisation(lr=1e-9), steps=1
    )
    learner.set_reference()
    for parameter in model.parameters():  # a policy that differs from its reference
        parameter.data += 0.02 * torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(1)
        )
    update = learner.improve(make_batch(batch, objective).rows, objective, 1.0)

    config = trl.GRPOConfig(
        output_dir=str(tmp_path),
        loss_type=loss_type,
        beta=0.0,
        use_bias_correction_kl=False,  # the paper's estimate, ratio left out
        use_cpu=True,
        bf16=False,
        report_to="none",
        num_generations=3,
        per_device_train_batch_size=6,
        max_completion_length=16,
        gradient_checkpointing=False,
    )
    trainer = trl.GRPOTrainer(
        model,
        lambda completions, **_: [0.0] * len(completions),
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["a"] * 6}),
        processing_class=make_tokenizer(),
    )
    trainer.current_gradient_accumulation_steps = 1
    rows = [rollout.rows[0] for rollout in batch]
    prompts, prompt_mask = padded([row.prompt for row in rows], "left")
    answers, answer_mask = padded([row.completion for row in rows], "right")
    old, _ = padded([row.logprobs for row in rows], "right")
    earned = np.array([rollout.reward for rollout in batch]).reshape(2, 3)
    better = np.concatenate([advantages(each, divide_by_deviation=True) for each in earned])
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": prompt_mask,
        "completion_ids": answers,
        "completion_mask": answer_mask,
        "advantages": torch.tensor(better, dtype=torch.float32),
        "old_per_token_logps": old.float(),
        "num_items_in_batch": answer_mask.sum(),
    }
    if beta:
        with learner._as_reference(), torch.no_grad():
            found, *_ = trainer._get_per_token_logps_and_entropies(
                model,
                torch.cat([prompts, answers], 1),
                torch.cat([prompt_mask, answer_mask], 1),
                answers.shape[1],
            )
        inputs["ref_per_token_logps"] = found
        trainer.beta = beta
    theirs = trainer._compute_loss(model.train(), inputs)
    assert update.loss == pytest.approx(float(theirs), rel=1e-4, abs=1e-6)
    if beta:
        assert update.kl > 1e-3
