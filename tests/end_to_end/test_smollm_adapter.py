"""The adapter of experiments/08_smollm is small, and plain transformers and peft load it."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "build" / "smollm2"
ADAPTER = ROOT / "experiments" / "08_smollm" / "adapter"


def test_the_adapter_is_small_and_names_its_base_and_licence():
    assert sum(path.stat().st_size for path in ADAPTER.iterdir()) < 20_000_000
    config = json.loads((ADAPTER / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"]) == ("build/smollm2", 8)
    assert "license: apache-2.0" in (ADAPTER / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not MODEL.is_dir(), reason="needs build/smollm2: make smollm")
def test_transformers_and_peft_load_the_adapter():
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(MODEL)("Rank all 10 candidates.", return_tensors="pt")
    with torch.inference_mode():
        before = base(**ids).logits
        taught = PeftModel.from_pretrained(base, ADAPTER)
        after = taught(**ids).logits
    assert torch.isfinite(after).all()
    assert not torch.allclose(before, after, atol=0.01)
