import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from starec_sim.errors import PolicyError
from starec_sim.learning.advantages import Objective
from starec_sim.learning.grpo import make_batch
from starec_sim.learning.learner import DivergenceError, Learner, Optimisation
from starec_sim.learning.models import Lora, load
from starec_sim.learning.rows import Rollout, TokenRow
from tests.forked import distributed

from . import one_update
from .conftest import ARCHITECTURES

torch = pytest.importorskip("torch")
HERE = Path(__file__).parent
FSDP = HERE.parents[2] / "experiments" / "06_bigger_models" / "accelerate" / "fsdp.yaml"


def some_rollouts(seed=0, groups=4, size=4, logprob=-5.5):
    rng = np.random.default_rng(seed)
    found = []
    for group in range(groups):
        prompt = tuple(rng.integers(3, 259, rng.integers(4, 20)).tolist())
        for _ in range(size):
            length = int(rng.integers(1, 8))
            completion = tuple(rng.integers(3, 259, length).tolist())
            row = TokenRow(prompt, completion, (True,) * length, (logprob,) * length)
            found.append(Rollout(str(group), "fast", (row,), float(rng.normal()), "v", 1.0))
    return found


def parameters(weights):
    return {name: p.detach().clone() for name, p in weights.trainable().items()}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("method", "dtype"), [("full", "fp32"), ("lora", "bf16")])
def test_an_update_makes_rewarded_answers_likelier(model_folder, architecture, method, dtype):
    weights = load(model_folder(architecture), method=method, dtype=dtype, lora=Lora(rank=4))
    learner = Learner(weights, Optimisation(lr=3e-3), steps=6)
    learner.set_reference()
    batch = make_batch(some_rollouts(), Objective()).rows
    updates = [learner.improve(batch, Objective(kl=0.01), 1.0) for _ in range(6)]
    assert updates[0].kl == pytest.approx(0, abs=1e-3)
    assert updates[-1].kl > 0
    assert updates[-1].loss < updates[0].loss
    assert updates[0].tokens == sum(rollout.tokens for rollout in some_rollouts())


@pytest.mark.parametrize("method", ["full", "lora"])
def test_recomputed_activations_give_the_same_update(model_folder, method):
    def update(twice):
        torch.manual_seed(0)  # of a new adapter
        weights = load(model_folder(), method=method, gradient_checkpointing=twice)
        batch = make_batch(some_rollouts(), Objective()).rows
        made = Learner(weights, Optimisation(), steps=1).improve(batch, Objective(), 1.0)
        return made.loss, made.gradient

    assert update(True) == pytest.approx(update(False), rel=1e-5)


class TestTheRate:
    @pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
    def test_it_rises_from_the_first_step_on(self, schedule):
        optimisation = Optimisation(warmup=3, schedule=schedule)
        shares = [optimisation.share_of_rate(done, 10) for done in range(5)]
        assert shares[:4] == [0.25, 0.5, 0.75, 1.0]
        assert shares[4] <= 1.0

    @pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
    def test_without_a_warm_up_it_is_the_schedule_of_transformers(self, schedule):
        from transformers import get_scheduler

        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        theirs = get_scheduler(schedule, optimizer, 0, 10)
        for done in range(11):
            ours = Optimisation(schedule=schedule).share_of_rate(done, 10)
            assert ours == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
            optimizer.step()
            theirs.step()

    def test_the_first_step_of_a_warm_up_learns(self, model_folder):
        weights = load(model_folder())
        before = parameters(weights)
        learner = Learner(weights, Optimisation(lr=1e-2, warmup=2, schedule="linear"), steps=4)
        learner.improve(make_batch(some_rollouts(), Objective()).rows, Objective(), 1.0)
        after = parameters(weights)
        assert any(not torch.equal(after[name], before[name]) for name in before)


def test_a_restored_learner_makes_the_same_updates(model_folder, tmp_path):
    def begin(model):
        weights = load(model)
        return Learner(weights, Optimisation(lr=1e-2, schedule="cosine"), steps=4)

    def step(learner):
        batch = make_batch(some_rollouts(), Objective()).rows
        update = learner.improve(batch, Objective(kl=0), 1.0)
        learner.end_step()
        return update.loss, update.gradient

    whole = begin(model_folder())
    expected = [step(whole) for _ in range(4)]
    first = begin(model_folder())
    assert [step(first) for _ in range(2)] == expected[:2]
    first.weights.save(tmp_path / "version")
    torch.save(first.state(), tmp_path / "state.pt")
    second = begin(str(tmp_path / "version"))
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [step(second) for _ in range(2)] == expected[2:]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_measuring_the_reference_leaves_the_weights_as_they_were(model_folder, method):
    weights = load(model_folder(), method=method)
    learner = Learner(weights, Optimisation(), steps=1)
    learner.set_reference()
    before = parameters(weights)
    for parameter in weights.trainable().values():
        parameter.data += 0.01
    moved = parameters(weights)
    with learner._as_reference():
        inside = parameters(weights)
    assert all(torch.equal(inside[name], before[name]) for name in before)
    assert all(torch.equal(value, moved[name]) for name, value in parameters(weights).items())


def test_a_loss_that_is_not_finite_stops_before_it_reaches_the_weights(model_folder):
    weights = load(model_folder())
    learner = Learner(weights, Optimisation(lr=1.0), steps=1)
    before = parameters(weights)
    batch = make_batch(some_rollouts(logprob=float("-inf")), Objective()).rows
    with pytest.raises(DivergenceError, match="must be finite"):
        learner.improve(batch, Objective(kl=0), 1.0)
    assert all(torch.equal(value, before[name]) for name, value in parameters(weights).items())


@pytest.fixture(scope="module")
def updates(model_folder, tmp_path_factory):
    """Return what `one_update.run` writes, with so many processes."""

    def updates(processes, **environ):
        place = tmp_path_factory.mktemp("kept")
        work = partial(one_update.run, model_folder(layers=1), place)
        if processes == 1:
            work()
        else:
            distributed(work, processes, **environ)
        results = json.loads((place / "results.json").read_text())
        assert results["processes"] == processes
        return results

    return updates


@pytest.fixture(scope="module")
def alone(updates):
    return updates(1)


def after_the_first(updates):
    """Leave out the first of the three updates of each method."""
    return [one for number, one in enumerate(updates) if number % 3]


@pytest.mark.slow
def test_the_gradient_is_the_same_with_one_process_and_with_two(updates, alone):
    results = updates(2)
    assert np.array(results["updates"]) == pytest.approx(np.array(alone["updates"]), rel=1e-6)
    assert results["resumed"] == after_the_first(results["updates"])


@pytest.mark.slow
def test_the_gradient_is_the_same_when_weights_are_sharded_over_two_processes(updates, alone):
    settings = yaml.safe_load(FSDP.read_text("utf-8"))["fsdp_config"]
    environ = {name.upper(): str(value) for name, value in settings.items()}
    results = updates(2, ACCELERATE_USE_FSDP="true", **environ)
    assert results["type"] == "FSDP"
    assert results["sharded"] == 2, "its layer, and what is around it"
    assert np.array(results["updates"]) == pytest.approx(np.array(alone["updates"]), rel=1e-5)
    later = after_the_first(results["updates"])
    assert np.array(results["resumed"]) == pytest.approx(np.array(later), rel=1e-6)


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(PolicyError, match="there is no folder no/such/model"):
        load("no/such/model")


@pytest.mark.parametrize("shape", [{"hidden": 64}, {"layers": 3}], ids=str)
def test_an_adapter_of_another_model_is_named_with_both_bases(model_folder, tmp_path, shape):
    other = load(model_folder("qwen3", **shape), method="lora")
    other.save(tmp_path / "adapter")
    with pytest.raises(PolicyError, match=r'trained on ".*qwen3-.*" and does not fit ".*qwen3"'):
        load(model_folder(), str(tmp_path / "adapter"), method="lora")


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_an_adapter_cut_in_half_is_named(model_folder, tmp_path, name):
    load(model_folder(), method="lora").save(tmp_path / "adapter")
    file = tmp_path / "adapter" / name
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(PolicyError, match=r"the adapter .* cannot be read"):
        load(model_folder(), str(tmp_path / "adapter"), method="lora")
