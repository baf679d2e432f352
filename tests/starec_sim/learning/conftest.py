"""Tiny random models, made in a moment, of the architectures that people train."""

import os
from importlib.resources import files

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
torch.set_num_threads(1)

CHAT = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
ARCHITECTURES = ("qwen2", "qwen3", "llama")
BYTES = 259
"""Vocabulary of three special tokens and bytes."""
VOCABULARY = 700


def make_tokenizer(vocabulary=VOCABULARY):
    """Three special tokens, bytes, and parts of words of the prompts, which keep these short."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    prompts = (files("starec_agents.star") / "prompts").iterdir()
    inner.train_from_iterator(
        sorted(prompt.read_text("utf-8") for prompt in prompts),
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<|pad|>", eos_token="<|end|>"
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def make_model(architecture="qwen3", seed=0, hidden=32, layers=2, window=4096):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    shape = {"head_dim": hidden // 4} if architecture == "qwen3" else {}
    config = AutoConfig.for_model(
        architecture,
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
        **shape,
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    # Wider than the usual start, so that the tiny model is not indifferent to what it reads.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3.0)
    return model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """Write a tiny model with its tokenizer, once for each architecture, and return its folder."""
    place = tmp_path_factory.mktemp("models")

    def folder(architecture="qwen3", **shape):
        name = "-".join([architecture, *(f"{key}{value}" for key, value in shape.items())])
        if not (place / name).is_dir():
            make_model(architecture, **shape).save_pretrained(place / name)
            make_tokenizer().save_pretrained(place / name)
        return str(place / name)

    return folder
