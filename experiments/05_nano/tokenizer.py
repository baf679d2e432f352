"""The tokenizer: byte-level BPE that cuts a prompt along its own seams.

Any text can be written (bytes are the alphabet), and what prompts repeat is one token each: a label
at the start of a line, the name of an attribute, a polarity, a count, a balance. A value is cut the
same way wherever it stands, on a card, in the history, in the summary and in the reasoning, because
what stands around it never sticks to it. That is what makes looking it up easy for a small model.

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
    # What an answer goes by: each choice is one token, so that feedback finds it in one place.
    r"\nBy (?:taste|habit) \d",
    r", (?:popularity|rating|together) \d(?=[,\n])",
    r"\n[A-Z]{1,3}[.:] ",  # a label that begins a line
    r" > [A-Z]{1,3}(?=[ <])",  # the next place of a ranking
    r"(?:nothing)? = 0(?!\d)",  # of every second candidate on bare cards there is nothing to say
    r" = [+-]?\d{1,2}(?!\d)",  # a balance
    r"\n- \d(?:\.\d)? stars: (?:dis)?liked \| ",  # an experience begins with what came of it
    r": (?:dis)?liked \((?=\d)",  # a line of the summary, before its count
    r": (?:adored|loved|liked|disliked|hated|loathed)(?![\p{L}])",
    r": \+\d(?!\d)",  # what company says
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
    (r"(?<=together with: \d|together with: \d\d) \([^|\n]*", ""),
)
"""Names of items, and what is read instead. They are a third of a prompt, and a model that knows
nothing of the world can make nothing of them."""
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
    # Made-up words differ from seed to seed: another would give another vocabulary.
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
