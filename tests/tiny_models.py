"""Tiny random models and their tokenizer, made here: nothing is stored, nothing downloaded."""

import pytest

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = ["user", "item", "liked", "disliked", "drama", "comedy", "war", "river", "ranking", "year"]


@pytest.fixture(scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))],
        trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<|pad|>", eos_token="<|im_end|>", chat_template=TEMPLATE
    )


SHAPE = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 2,
    # Large enough that a random model is sure of its greedy token.
    "initializer_range": 0.12,
}


def build(family, **changes):
    """A random model of a family, the same for the same arguments."""
    import torch
    import transformers

    config, model = {
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel),
    }[family]
    settings = SHAPE | changes
    if family == "gpt2":
        settings = {
            "vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512,
            "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 2, "initializer_range": 0.12,
        }  # fmt: skip
    torch.manual_seed(changes.get("num_hidden_layers", 0))
    made = model(config(**settings)).eval()
    made.generation_config.eos_token_id = 2
    # Biases and norms begin at 0 and 1, where a mistake in them would not show.
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn_like(weight) * (0.3 if "bias" in name else 0.1))
    return made


@pytest.fixture(scope="session")
def build_model(one_thread):
    return build


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, tokenizer, one_thread):
    """A Qwen3 with two key heads, as `save_pretrained` writes it."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    build("qwen3", num_key_value_heads=2, head_dim=8).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
