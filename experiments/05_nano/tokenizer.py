"""The tokenizer: byte-level BPE that splits a prompt first by the patterns in `SEAMS`.

Any text can be encoded (bytes are the alphabet). Each thing that prompts repeat is one token: a
label at the start of a line, the name of an attribute, a polarity, a count, a balance. A value
never merges with the text around it. So it has the same tokens on a card, in the history, in the
summary and in the reasoning, which makes it easy for a small model to look it up.

    python tokenizer.py --out build
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from corpus import samples
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SIZE = 4096
SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SEAMS = (
    # The first line of an answer: each choice is one token, so a reward concerns one token.
    r"\nBy (?:taste|habit) \d",
    r", (?:popularity|rating|together|follows) \d(?=[,\n])",
    r"\n[A-Z]{1,3}[.:] ",  # a label that begins a line
    r" > [A-Z]{1,3}(?=[ <])",  # the next place of a ranking
    r"(?:nothing)? = 0(?!\d)",  # on bare cards this holds for every second candidate
    r" = [+-]?\d{1,2}(?!\d)",  # a balance
    r"\n- \d(?:\.\d)? stars: (?:dis)?liked \| ",  # an experience begins with its stars
    r": (?:dis)?liked \((?=\d)",  # a line of the summary, before its count
    r": (?:adored|loved|liked|disliked|hated|loathed)(?![\p{L}])",
    r": \+\d(?!\d)",  # what a together count adds
    r"\d{1,2} of \d{1,2}(?!\d)",
    r" \| [^|:\"\n<>]{1,40}: ",  # the name of an attribute
    r"</?[a-z]+>",
    r"top \d{1,2} %",
    r"\d\.\d(?!\d)",
    r"\d{4}s?(?!\d)",
    r"\d{1,3}",
    r"\)\n",
    r", ",
    r" ?[\p{L}\p{M}'-]+",
    r" ?[^\s\p{L}\p{M}\p{N}]+",
    r"\s+",
)
UNREAD = (
    (r'"[^"\n]*"(?= \| )', '"'),  # a title before its attributes
    (r"(?<=together with: \d|together with: \d\d|often follows: \d) \([^|\n]*\)", ""),
)
"""Patterns of item names, and the text that replaces them. Names are a third of a prompt, and this
model knows nothing of the world, so it cannot use them."""
TEXTS = 6_000


def build(texts: int = TEXTS) -> PreTrainedTokenizerFast:
    """Train the tokenizer on the first samples of the corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(pattern), instead) for pattern, instead in UNREAD]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("|".join(SEAMS)), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The seed is fixed: another seed has other made-up words and gives another vocabulary.
    corpus = (
        text
        for one in islice(samples(seed=1), texts)
        for text in (*(text for _, text in one.messages[:2]), one.answer)
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        chat_template=CHAT,
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("build"))
    out = arguments.parse_args().out
    tokenizer = build()
    tokenizer.save_pretrained(out)
    print(f"{len(tokenizer)} tokens in {out / 'tokenizer.json'}")
