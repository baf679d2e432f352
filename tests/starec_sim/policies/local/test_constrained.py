"""Answers held to their form: by our engine and by transformers, whatever the weights are."""

import asyncio
import json
import shutil

import pytest
import torch

from starec_sim.answers import read_decision, read_summary
from starec_sim.errors import ContractError, PolicyError
from starec_sim.interviews.asking import read_answer
from starec_sim.interviews.questions import read_question
from starec_sim.learning.rollouts import _rows
from starec_sim.policies.engine.grammars import Grammars
from starec_sim.policies.local import LocalPolicy
from starec_sim.tasks import FEED, RANKING, ActionKind, FreeText, Task
from starec_sim.types import ExpectedAnswer, Observation, Turn

COUNTER = Task(
    "counter",
    actions=(ActionKind("order"), ActionKind("praise", FreeText(20), at_most=1)),
    per_item=2,
)
DECIDE = {RANKING: ("think", "ranking"), FEED: ("think", "actions", "next")}
CHAT = [("user", "rank item")]


def expected(task, count, form="tags"):
    parts = DECIDE.get(task, ("think", "actions", "next"))
    return ExpectedAnswer(form, parts, count, task)


def flaws(reply, task, count, form="tags"):
    seen = Observation(task, tuple(range(count)), ("x",) * count)
    return read_decision(reply.text, seen, form)[1].counts


@pytest.fixture
def folder(request, model_folder, build_model, tokenizer, tmp_path):
    """Random weights: one model that our engine runs, and one that transformers runs."""
    if request.param == "qwen3":
        return model_folder
    build_model("gpt2").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "form"),
    [("qwen3", "tags"), ("qwen3", "json"), ("gpt2", "tags")],
    indirect=["folder"],
)
def test_random_weights_answer_in_form(folder, form):
    policy = LocalPolicy(model=str(folder), max_tokens=200, dtype="fp32", constrained=form)
    wanted = [(RANKING, 4), (FEED, 3), (COUNTER, 2)]

    async def ask():
        calls = [
            policy.ainvoke(CHAT, seed=seed, temperature=seed, expected=expected(*each, form))
            for each in wanted
            for seed in (0, 1)
        ]
        free = policy.ainvoke(CHAT, seed=1)
        return await asyncio.gather(*calls, free)

    *replies, free = asyncio.run(ask())
    for reply, (task, count) in zip(
        replies, [each for each in wanted for _ in (0, 1)], strict=True
    ):
        assert not flaws(reply, task, count, form), reply.text
        assert reply.response_metadata["finish_reason"] == "stop"
        assert reply.response_metadata["tokens"].sampling["constrained"] == 1
    assert "constrained" not in free.response_metadata["tokens"].sampling
    policy.close()


def test_a_summary_has_at_most_its_words(model_folder):
    policy = LocalPolicy(model=str(model_folder), max_tokens=120, dtype="fp32", constrained="tags")
    asked = ExpectedAnswer("tags", ("think", "preferences"), words=5)
    reply = policy.invoke(CHAT, seed=1, expected=asked)
    summary, findings = read_summary(reply.text, 5)
    assert summary and not findings.counts, reply.text
    policy.close()


def test_log_probabilities_are_those_of_the_distribution_that_was_sampled_from(
    model_folder, tokenizer
):
    """Computed again from the weights by transformers, with the tokens that the grammar allows."""
    from transformers import AutoModelForCausalLM

    folder = str(model_folder)
    policy = LocalPolicy(
        model=folder, max_tokens=120, temperature=0.8, dtype="fp32", constrained="tags"
    )
    asked = expected(RANKING, 3)
    tokens = policy.invoke(CHAT, seed=2, expected=asked).response_metadata["tokens"]
    weights = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits = weights(torch.tensor([[*tokens.prompt, *tokens.completion]])).logits[0]
    chat = policy._lazy.get().chat_format
    matcher = chat.grammars.of_answer(asked, 120).deep_copy()
    raw_differs = False
    for at, (token, logprob) in enumerate(zip(tokens.completion, tokens.logprobs, strict=True)):
        scores = logits[len(tokens.prompt) - 1 + at] / 0.8
        bias = list(matcher.compute_logit_bias())
        allowed = torch.tensor([*bias, *[0] * (len(scores) - len(bias))]) > 0
        among = scores.masked_fill(~allowed, -torch.inf).log_softmax(0)
        assert logprob == pytest.approx(among[token].item(), abs=1e-3)
        raw_differs |= abs(scores.log_softmax(0)[token].item() - logprob) > 0.1
        assert matcher.consume_token(token)
    assert raw_differs
    policy.close()


@pytest.mark.parametrize("form", ["tags", "json"])
@pytest.mark.parametrize("types", [{"scale": "1-5"}, {"choice": ["yes", "perhaps"]}])
def test_an_answer_to_an_interview_is_in_form(model_folder, types, form):
    policy = LocalPolicy(model=str(model_folder), max_tokens=60, dtype="fp32", constrained=form)
    question = read_question("How?", **types)
    for seed in range(2):
        reply = policy.invoke(CHAT, seed=seed, expected=question.expected(form))
        value, problem = read_answer(question, reply.text, form)
        assert value is not None and not problem, reply.text
    policy.close()


def test_json_of_any_schema(model_folder):
    policy = LocalPolicy(model=str(model_folder), max_tokens=60, dtype="fp32", constrained="json")
    schema = {
        "type": "object",
        "properties": {"stars": {"enum": [1, 2, 3]}},
        "required": ["stars"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    reply = policy.invoke(CHAT, seed=1, response_format=wanted)
    assert json.loads(reply.text)["stars"] in (1, 2, 3)
    policy.close()


def test_a_tokenizer_that_cannot_write_the_form_is_named():
    """It knows lower-case letters only."""
    letters = Grammars(
        None,
        frozenset([0]),
        "letters",
        lambda text: [ord(each) for each in text if each.islower()],
        lambda ids: "".join(map(chr, ids)),
    )
    letters._read = object()
    with pytest.raises(PolicyError, match=r"letters cannot write .*< .*which the form"):
        letters.of_answer(expected(RANKING, 2), 100)


def test_a_package_that_is_not_there_is_named(model_folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "llguidance.hf", None)
    policy = LocalPolicy(model=str(model_folder), max_tokens=60, dtype="fp32", constrained="tags")
    with pytest.raises(PolicyError, match="cannot be held to their form") as raised:
        policy.invoke(CHAT, expected=expected(RANKING, 2))
    assert "pip install llguidance" in raised.value.hint
    policy.close()


def test_a_page_that_no_grammar_can_count_is_named(model_folder):
    policy = LocalPolicy(model=str(model_folder), max_tokens=60, dtype="fp32", constrained="tags")
    with pytest.raises(PolicyError, match=r"200 items") as raised:
        policy.invoke(CHAT, expected=expected(FEED, 200))
    assert "constrained: false" in raised.value.hint
    policy.close()


def test_what_was_held_to_a_grammar_is_not_learned_from(model_folder):
    policy = LocalPolicy(model=str(model_folder), max_tokens=60, dtype="fp32", constrained="tags")
    reply = policy.invoke(CHAT, seed=1, expected=expected(RANKING, 2))
    tokens = reply.response_metadata["tokens"]
    turn = Turn("fast", 0, "local:x", (), reply.text, 1, 1, 0.0, tokens=tokens)
    with pytest.raises(ContractError, match="local:x was held to a grammar") as raised:
        _rows([turn])
    assert "constrained: false" in raised.value.hint
    policy.close()


NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)
IN_TURN = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}"
)
TURNS = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
OF_EXAMPLES = [
    *(("system", "you"), ("user", "An example:\nitem"), ("assistant", "<ranking>A</ranking>")),
    *(("user", "rank item"), ("assistant", "year"), ("user", "again")),
]


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(NO_SYSTEM + TURNS, id="no system role"),
        pytest.param(NO_SYSTEM + IN_TURN + TURNS, id="roles in turn"),
        pytest.param(TURNS + "assistant: <think>\n", id="reasoning that the template opens"),
    ],
)
@pytest.mark.parametrize("form", ["tags", "json"])
def test_answers_are_in_form_with_any_chat_template(model_folder, tmp_path, template, form):
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    (folder / "chat_template.jinja").write_text(template)
    policy = LocalPolicy(model=str(folder), max_tokens=100, dtype="fp32", constrained=form)
    reply = policy.invoke(OF_EXAMPLES, seed=1, expected=expected(RANKING, 3, form))
    assert not flaws(reply, RANKING, 3, form), reply.text
    assert reply.response_metadata["finish_reason"] == "stop"
    policy.close()
