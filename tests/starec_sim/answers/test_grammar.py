"""What the grammar of an answer allows is read without a flaw, and what is read so fits it."""

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from starec_sim.answers import label, read_decision, read_summary
from starec_sim.answers.grammar import AnswerTooLongError, answer_grammar
from starec_sim.answers.number_ranges import range_pattern
from starec_sim.interviews.asking import read_answer
from starec_sim.interviews.questions import read_question
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.policies.reasoner import ReasonerPolicy
from starec_sim.tasks import FEED, RANKING, ActionKind, Amount, FreeText, OneOf, Task
from starec_sim.types import ExpectedAnswer, Observation

SHOP = Task(
    "shop",
    actions=(
        ActionKind("look at"),
        ActionKind("buy", Amount(0.5, 20, whole=False), optional=True, at_most=2),
        ActionKind("rate", OneOf(("good", "good enough", "bad"))),
        ActionKind("comment", FreeText(30), at_most=1),
    ),
    per_item=3,
    after=(ActionKind("search", FreeText(20)),),
)
COUNTER = Task(
    "counter",
    actions=(ActionKind("order", Amount(1, 3)), ActionKind("praise", FreeText(80), at_most=1)),
    per_item=2,
)
DECISIONS = [
    (RANKING, 1),
    (RANKING, 6),
    (RANKING, 64),
    (FEED, 1),
    (FEED, 5),
    (SHOP, 4),
    (COUNTER, 3),
]


def bytes_as_tokens():
    """Return a tokenizer whose tokens are the 256 bytes, a few words, and an end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["</", "> ", "think", "ranking", "skip", '"]', '\\"', ": ", "sk"]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelled = [byte_level.pre_tokenize_str(word)[0][0] for word in words]
    vocabulary = {token: at for at, token in enumerate(["<|end|>", *alphabet, *spelled])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = byte_level, decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    return LLTokenizer(tokenizer.to_str(), eos_token=0)


TOKENS = bytes_as_tokens()


def matcher(expected, max_tokens=200):
    made = LLMatcher(TOKENS, answer_grammar(expected, max_tokens, len), log_level=0)
    assert not made.is_error(), made.get_error()
    return made


def written(expected, seed, max_tokens=200):
    """Return what somebody writes who takes any allowed token with equal probability."""
    held, rng, ids = matcher(expected, max_tokens), random.Random(seed), []
    while True:
        bits = np.unpackbits(np.frombuffer(held.compute_bitmask(), np.uint8), bitorder="little")
        token = rng.choice(np.nonzero(bits)[0].tolist())
        if token == 0:
            return TOKENS.decode_str(ids)
        assert held.consume_token(token)
        ids.append(token)
        assert len(ids) < 3_000


def accepts(expected, text):
    held = matcher(expected, 4_000)
    ids = [TOKENS_OF_BYTES[bytes([byte])] for byte in text.encode()]
    return held.consume_tokens(ids) and held.is_accepting()


TOKENS_OF_BYTES = {TOKENS.decode_bytes([token]): token for token in range(1, 257)}


def shown(task, count):
    return Observation(task, tuple(range(count)), tuple(f'"item {at}"' for at in range(count)))


def parts(task):
    return ("think", "ranking") if task.ranks else ("think", "actions", "next")


QUESTIONS = [
    {"scale": "1-5"},
    {"scale": "-3-3"},
    {"choice": ["never", 'now and "then"', "a\\b | c", "caf\u00e9"]},
    {"yes_no": True},
    {"number": True},
    {"text": 7},
]


@pytest.mark.parametrize("form", ["tags", "json"])
@given(types=st.sampled_from(QUESTIONS), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_every_answer_to_an_interview_that_the_grammar_allows_is_read(form, types, seed):
    question = read_question("How?", **types)
    text = written(question.expected(form), seed)
    value, problem = read_answer(question, text, form)
    assert value is not None and not problem, text


@pytest.mark.parametrize("form", ["tags", "json"])
@given(which=st.sampled_from(DECISIONS), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_every_decision_that_the_grammar_allows_is_read_without_a_flaw(form, which, seed):
    task, count = which
    text = written(ExpectedAnswer(form, parts(task), count, task), seed)
    _, findings = read_decision(text, shown(task, count), form)
    assert not findings.counts, text


@pytest.mark.parametrize("form", ["tags", "json"])
@given(words=st.integers(1, 30), seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_every_summary_that_the_grammar_allows_is_within_its_limit(form, words, seed):
    text = written(ExpectedAnswer(form, ("think", "preferences"), words=words), seed)
    summary, findings = read_summary(text, words, form)
    assert summary and not findings.counts, text


def prompt(task, count):
    forms = "" if task.ranks else task.forms
    items = "\n".join(f'{label(at)}. "item" | genre: Drama{at % 3}' for at in range(count))
    section = "candidates" if task.ranks else "page"
    history = '<history>\n- 5 stars: liked | "x" | genre: Drama1\n</history>\n'
    return (("system", forms), ("user", f"{history}<{section}>\n{items}\n</{section}>"))


@pytest.mark.parametrize("policy", [LexicalPolicy(), ReasonerPolicy()], ids=["lexical", "reasoner"])
@pytest.mark.parametrize(("task", "count"), [*DECISIONS[:5], (COUNTER, 3), (SHOP, 4)])
def test_answers_of_policies_without_a_model_fit_the_grammar(policy, task, count):
    text = policy.answer_to(prompt(task, count))
    assert not read_decision(text, shown(task, count))[1].counts
    assert accepts(ExpectedAnswer("tags", parts(task), count, task), text), text


@pytest.mark.parametrize("policy", [LexicalPolicy(), ReasonerPolicy()], ids=["lexical", "reasoner"])
def test_summaries_of_policies_without_a_model_fit_the_grammar(policy):
    asked = (
        "<preferences>\nWar: liked (1 of 2)\n</preferences>\n"
        '<item>\nA. "x" | genre: Drama\n</item>\n'
        "<prediction>\nA. ranked 1 of 3\n</prediction>\n<feedback>\nA. 5 stars: liked\n</feedback>"
    )
    text = policy.answer_to((("system", "at most 40 words"), ("user", asked)))
    assert accepts(ExpectedAnswer("tags", ("think", "preferences"), words=40), text), text


@pytest.mark.parametrize(
    "wrong",
    [
        "<think>\n</think>\n<ranking>A > B</ranking>",
        "<think>\n</think>\n<ranking>A > B > A</ranking>",
        "<think>\n</think>\n<ranking>A > B > D</ranking>",
        "<ranking>A > B > C</ranking>",
    ],
)
def test_a_ranking_with_a_flaw_does_not_fit(wrong):
    assert not accepts(ExpectedAnswer("tags", ("think", "ranking"), 3, RANKING), wrong)


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        (('praise "x"', 'order 1, praise "y"', "skip"), False),
        (("order 1", "order 2", 'praise "x", order 3'), True),
        (("order 1, order 2", "skip", "skip"), False),
        (("order 4", "skip", "skip"), False),
        (('praise " "', "skip", "skip"), False),
        (("skip, order 1", "skip", "skip"), False),
    ],
)
def test_limits_of_actions_are_part_of_the_grammar(said, fits):
    lines = "\n".join(f"{name}: {each}" for name, each in zip("ABC", said, strict=True))
    text = f"<actions>\n{lines}\n</actions>"
    assert accepts(ExpectedAnswer("tags", ("actions",), 3, COUNTER), text) is fits


@pytest.mark.parametrize("form", ["tags", "json"])
def test_reasoning_that_rambles_leaves_room_for_the_answer(form):
    """Of 300 tokens, 20 labels take some 100 where a token is a byte; the answer fits."""
    expected = ExpectedAnswer(form, ("think", "ranking"), 20, RANKING)
    longest = max(len(written(expected, seed, 300)) for seed in range(3))
    assert longest < 300 * 1.2


def test_a_page_with_too_many_limits_is_named():
    kinds = tuple(ActionKind(name * 2, at_most=60) for name in "abcdefghijk")
    crowded = Task("crowded", actions=kinds)
    with pytest.raises(AnswerTooLongError, match=r"11 kinds of actions, 11 .*70 items"):
        answer_grammar(ExpectedAnswer("tags", ("actions",), 70, crowded), 400, len)


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.integers(0, 2_100))
def test_a_range_of_whole_numbers_has_all_of_them_and_no_other(one, other, number):
    low, high = sorted((one, other))
    pattern = range_pattern(low, high, whole=True)
    assert bool(re.fullmatch(pattern, str(number))) is (low <= number <= high)


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 21_000), st.integers(0, 4))
def test_a_range_of_numbers_has_those_with_up_to_four_decimals(one, other, number, decimals):
    low, high = sorted((one / 1000, other / 1000))
    text = f"{number / 1000:.{decimals}f}"
    assert bool(re.fullmatch(range_pattern(low, high, whole=False), text)) is (
        low <= float(text) <= high
    )
