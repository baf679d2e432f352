"""Weights from folders and ids, adapters merged into them, and the errors of broken ones."""

import logging
import sys

import pytest
import torch

from starec_sim.errors import PolicyError
from starec_sim.policies.engine.model_files import WeightSource, read_model
from starec_sim.policies.local import LocalPolicy

ASKED = [("user", "rank item")]


def save_adapter(build_model, folder, base_folder, scale=0.5, **changes):
    """A LoRA adapter with weights that matter, trained on the model in `base_folder`."""
    from peft import LoraConfig, get_peft_model

    base = build_model("qwen3", **{"num_key_value_heads": 2, "head_dim": 8} | changes)
    base.name_or_path = str(base_folder)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn_like(weight) * scale)
    model.save_pretrained(folder, save_embedding_layers=False)
    return model.eval()


@pytest.fixture
def adapter(build_model, model_folder, tmp_path):
    save_adapter(build_model, tmp_path / "anchor", model_folder)
    return tmp_path / "anchor"


def refusal(policy):
    """What a policy says when it cannot answer."""
    with pytest.raises(PolicyError) as refused:
        policy.invoke(ASKED)
    assert refused.value.hint
    return str(refused.value)


# What works


def test_an_adapter_is_merged_and_the_model_on_disk_is_untouched(
    build_model, model_folder, tmp_path
):
    before = (model_folder / "model.safetensors").read_bytes()
    trained = save_adapter(build_model, tmp_path / "anchor", model_folder)
    policy = LocalPolicy(
        model=str(model_folder), adapter=str(tmp_path / "anchor"), max_tokens=8, dtype="fp32"
    )
    tokens = policy.invoke(ASKED, seed=1).response_metadata["tokens"]
    policy.close()
    ids = torch.tensor([tokens.prompt + tokens.completion])
    with torch.no_grad():
        logprobs = trained(ids).logits[0, len(tokens.prompt) - 1 : -1].log_softmax(-1)
    expected = logprobs.gather(1, torch.tensor(tokens.completion)[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(tokens.logprobs), expected, atol=1e-5, rtol=0)
    assert (model_folder / "model.safetensors").read_bytes() == before


def test_every_version_that_was_loaded_can_be_loaded_again(
    build_model, model_folder, adapter, tmp_path
):
    whole = tmp_path / "whole"
    build_model("qwen3", num_key_value_heads=2, head_dim=8, num_hidden_layers=3).save_pretrained(
        whole
    )
    policy = LocalPolicy(model=str(model_folder), max_tokens=8, dtype="fp32")

    def answer():
        reply = policy.invoke(ASKED, seed=3)
        return reply.content, reply.response_metadata["model_name"]

    base = answer()
    anchored = policy.load(adapter)
    assert anchored.startswith(f"{base[1]}+anchor@")
    assert answer()[1] == anchored
    with_adapter = answer()
    other = policy.load(whole)
    assert other.startswith("whole@")
    with_whole = answer()
    assert len({base[0], with_adapter[0], with_whole[0]}) == 3
    assert (policy.load(anchored), answer()) == (anchored, with_adapter)
    assert (policy.load(other), answer()) == (other, with_whole)
    assert (policy.load(base[1]), answer()) == (base[1], base)
    assert (policy.load(anchored), policy.load()) == (anchored, base[1])
    policy.close()


def test_a_version_names_the_weights_and_not_the_place(build_model, model_folder, tmp_path):
    import shutil

    shutil.copytree(model_folder, tmp_path / "elsewhere" / model_folder.name)
    here = read_model(WeightSource(str(model_folder)), torch.float32)[1]
    there = read_model(
        WeightSource(str(tmp_path / "elsewhere" / model_folder.name)), torch.float32
    )[1]
    assert here == there
    assert str(tmp_path) not in here


def test_an_adapter_of_a_moved_model_is_used_with_a_warning(
    build_model, model_folder, tmp_path, caplog
):
    save_adapter(build_model, tmp_path / "anchor", "/somewhere/other-name")
    with caplog.at_level(logging.WARNING):
        read_model(WeightSource(str(model_folder), None, str(tmp_path / "anchor")), torch.float32)
    assert 'was trained on "/somewhere/other-name"' in caplog.text


# What does not


def test_an_unknown_id_says_where_it_was_looked_for_and_how_to_get_it(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    message = refusal(LocalPolicy(model="nobody/nothing"))
    assert 'no model is called "nobody/nothing": looked for the folder' in message
    assert "HF_HUB_OFFLINE is set" in message
    assert "hint: with a connection: hf download nobody/nothing" in message


def test_a_path_without_a_model_is_named(tmp_path):
    assert f"there is no folder {tmp_path}/none" in refusal(LocalPolicy(model=f"{tmp_path}/none"))
    assert f"{tmp_path} has no config.json" in refusal(LocalPolicy(model=str(tmp_path)))


def test_damaged_weights_are_told_from_missing_ones(model_folder, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(model_folder, broken)
    (broken / "model.safetensors").write_bytes(b"half")
    message = refusal(LocalPolicy(model=str(broken)))
    assert f"the model in {broken} cannot be read" in message
    assert "copy the folder again, whole" in message


def test_an_adapter_where_the_model_belongs(adapter):
    assert "is an adapter, not a model" in refusal(LocalPolicy(model=str(adapter)))


def test_a_missing_adapter(model_folder, tmp_path):
    policy = LocalPolicy(model=str(model_folder), adapter=f"{tmp_path}/none/adapter")
    assert f"adapter: {tmp_path}/none/adapter does not exist" in refusal(policy)
    policy = LocalPolicy(model=str(model_folder), adapter=str(tmp_path))
    assert "has no adapter_config.json" in refusal(policy)


@pytest.mark.parametrize(
    "other", [{"hidden_size": 64}, {"num_hidden_layers": 3}], ids=["wider", "deeper"]
)
def test_an_adapter_of_another_base(build_model, model_folder, tmp_path, other):
    save_adapter(build_model, tmp_path / "anchor", "big/brother", **other)
    message = refusal(LocalPolicy(model=str(model_folder), adapter=str(tmp_path / "anchor")))
    assert f'was trained on "big/brother" and does not fit "{model_folder}"' in message
    assert "hint: set model: big/brother" in message


def test_a_damaged_adapter(model_folder, adapter):
    (adapter / "adapter_model.safetensors").write_bytes(b"half")
    message = refusal(LocalPolicy(model=str(model_folder), adapter=str(adapter)))
    assert f"the adapter {adapter} cannot be read" in message


def test_a_load_that_fails_leaves_the_old_weights(model_folder, tmp_path):
    policy = LocalPolicy(model=str(model_folder), max_tokens=4)
    before = policy.version
    with pytest.raises(PolicyError, match="does not exist"):
        policy.load(tmp_path / "none")
    assert policy.version == before
    assert policy.invoke(ASKED).response_metadata["model_name"] == before
    policy.close()


def test_a_failure_is_not_remembered(model_folder, tmp_path):
    import shutil

    policy = LocalPolicy(model=str(tmp_path / "late"), max_tokens=2)
    assert "there is no folder" in refusal(policy)
    shutil.copytree(model_folder, tmp_path / "late")
    assert policy.invoke(ASKED).response_metadata["finish_reason"] in ("length", "stop")
    policy.close()


def test_without_torch_the_package_is_named(model_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "starec_sim.policies.engine.loaded_model", raising=False)
    message = refusal(LocalPolicy(model=str(model_folder)))
    assert "torch is not installed" in message
    assert "hint: pip install torch" in message
