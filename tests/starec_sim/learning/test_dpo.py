"""The pairs of a group, and an update by pairs beside TRL's."""

import copy

import pytest

from starec_sim.errors import ConfigError
from starec_sim.learning.config import Dpo, Training
from starec_sim.learning.dpo import dpo_step, prefer
from starec_sim.learning.learner import Learner, Optimisation
from starec_sim.learning.models import TrainedWeights
from starec_sim.learning.pairs import Pair, pairs_of
from starec_sim.learning.rows import Rollout, TokenRow
from starec_sim.rng import Streams
from starec_sim.settings import validate

from .conftest import make_model, make_tokenizer
from .test_trl import padded, rollouts

torch = pytest.importorskip("torch")


def rollout(reward, group="a", answer=(3, 4)):
    row = TokenRow((1, 2), answer, (True,) * len(answer), (-1.0,) * len(answer))
    return Rollout(group, "fast", (row,), reward, "v", 1.0)


def learner_of(model):
    learner = Learner(
        TrainedWeights(model, None, "", "full", autocast=False), Optimisation(lr=1e-9), steps=1
    )
    learner.set_reference()
    return learner


@pytest.mark.parametrize(
    ("rewards", "most", "found"),
    [
        ([0, 3, 1, 2], 1, [(3, 0)]),
        ([0, 3, 1, 2], 5, [(3, 0), (2, 1)]),
        ([0, 3, 1], 5, [(3, 0)]),
        ([1, 1, 1, 0], 5, [(1, 0)]),
        ([2, 2], 5, []),
        ([2], 5, []),
        ([], 5, []),
    ],
)
def test_the_best_answer_is_paired_with_the_worst_where_their_rewards_differ(rewards, most, found):
    pairs = pairs_of([rollout(reward) for reward in rewards], most)
    assert [(pair.chosen.reward, pair.rejected.reward) for pair in pairs] == found


def test_the_loss_and_its_gradient_are_those_of_trl_on_the_same_pairs(tmp_path):
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    batch = list(rollouts())
    pairs = [Pair(batch[0], batch[1]), Pair(batch[3], batch[5])]
    model = make_model()
    reference = copy.deepcopy(model)
    learner = learner_of(model)
    for parameter in model.parameters():  # a policy that differs from its reference
        noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        parameter.data += 0.02 * noise
    theirs = copy.deepcopy(model)
    update, margins = prefer(learner, pairs, beta=0.3)

    config = trl.DPOConfig(
        output_dir=str(tmp_path),
        beta=0.3,
        use_cpu=True,
        bf16=False,
        report_to="none",
    )
    trainer = trl.DPOTrainer(
        theirs,
        reference,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]}),
        processing_class=make_tokenizer(),
    )
    rows = [pair.chosen.rows[0] for pair in pairs] + [pair.rejected.rows[0] for pair in pairs]
    ids, mask = padded([row.prompt + row.completion for row in rows], "right")
    wrote = [(0,) * len(row.prompt) + (1,) * len(row.completion) for row in rows]
    written = torch.tensor([line + (0,) * (ids.shape[1] - len(line)) for line in wrote])
    inputs = {"input_ids": ids, "attention_mask": mask, "completion_mask": written}
    loss = trainer._compute_loss(trainer.model.train(), inputs, False)
    loss.backward()
    gradients = [p.grad for p in theirs.parameters() if p.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    assert update.loss == pytest.approx(float(loss), rel=1e-4)
    assert update.gradient == pytest.approx(float(norm), rel=1e-3)
    assert len(margins) == 2


def test_an_update_makes_the_better_answer_likelier_than_the_worse_one():
    learner = Learner(
        TrainedWeights(make_model(), None, "", "full", autocast=False),
        Optimisation(lr=1e-3),
        steps=3,
    )
    learner.set_reference()
    answers = [rollout(1.0, answer=(3, 4)), rollout(0.0, answer=(5, 6, 7)), rollout(0.0, "b")]
    streams = Streams(0)
    first, *_, last = (dpo_step(learner, answers, Dpo(), step, streams) for step in range(3))
    assert first.own["margin"] == pytest.approx(0, abs=1e-4)
    assert first.updates[0].loss == pytest.approx(0.6931, abs=1e-3)
    assert (first.groups, first.alone, first.equal, first.own["pairs"]) == (2, 1, 0, 1)
    assert last.own["margin"] > 0.01 and last.own["preferred"] == 1


def test_stage_2_is_one_method():
    assert validate(Training, {"dpo": {"beta": 0.2}}, "train").grpo is None
    with pytest.raises(ConfigError, match="both grpo and dpo"):
        validate(Training, {"dpo": {}, "grpo": {}}, "train")
    with pytest.raises(ConfigError, match="nothing would be learned"):
        validate(Training, {"grpo": None}, "train")
