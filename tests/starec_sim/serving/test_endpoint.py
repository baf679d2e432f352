"""What the endpoint answers to the official client."""

import openai
import pytest

from starec_sim.errors import PolicyError
from starec_sim.policies.lexical import LexicalPolicy

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
def model(speaker):
    return speaker()


@pytest.fixture
def client(serve, model):
    with openai.OpenAI(base_url=serve(model), api_key="none", max_retries=0) as client:
        yield client


def test_the_official_client_finds_the_model_and_gets_an_answer(client):
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "starec"
    answer = client.chat.completions.create(model="tiny", messages=HI, seed=7)
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("said with 7", "length")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1, 3)
    assert answer.model == "speaker@1", "which weights it was"
    assert choice.logprobs is None
    assert "token_ids" not in choice.model_dump()


def test_all_settings_of_the_sampling_reach_the_policy(client, model):
    parts = [{"type": "text", "text": "ra"}, {"type": "text", "text": "nk"}]
    messages = [
        {"role": "system", "content": "be her"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "A", "tool_calls": None, "refusal": None},
        {"role": "user", "content": "again"},
    ]
    settings = {"temperature": 0.5, "top_p": 0.9, "seed": 3}
    client.chat.completions.create(
        model="tiny", messages=messages, max_completion_tokens=9, stop="END", **settings
    )
    ((asked, options),) = model.calls
    assert [(message.type, message.text) for message in asked] == [
        *(("system", "be her"), ("human", "rank"), ("ai", "A"), ("human", "again"))
    ]
    assert options == {**settings, "max_tokens": 9, "stop": ["END"]}


def test_without_a_seed_no_two_answers_share_one(client):
    ask = client.chat.completions.create
    answers = [*ask(model="tiny", messages=HI, n=4).choices]
    answers += ask(model="tiny", messages=HI, n=4).choices
    assert len({choice.message.content for choice in answers}) == 8


def test_several_answers_count_their_seeds_up_and_their_prompt_once(client):
    answer = client.chat.completions.create(model="tiny", messages=HI, n=3, seed=5)
    said = [(choice.index, choice.message.content) for choice in answer.choices]
    assert said == [(0, "said with 5"), (1, "said with 6"), (2, "said with 7")]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1, 9)


def test_tokens_are_reported_on_request(client):
    answer = client.chat.completions.create(
        model="tiny", messages=HI, logprobs=True, extra_body={"return_token_ids": True}
    )
    told = answer.choices[0].logprobs.content
    assert [(token.token, token.logprob) for token in told] == [
        *(("<0>", 0.0), ("<1>", -0.5), ("<2>", -1.0))
    ]
    assert bytes(told[1].bytes) == b"<1>"
    assert answer.choices[0].token_ids == [0, 1, 2]
    assert answer.prompt_token_ids == [0]


def test_a_stream_has_the_same_text_in_pieces(client):
    *pieces, end, usage = client.chat.completions.create(
        model="tiny",
        messages=HI,
        seed=7,
        stream=True,
        logprobs=True,
        stream_options={"include_usage": True},
    )
    assert [piece.choices[0].delta.content for piece in pieces] == ["said", " with", " 7"]
    assert pieces[0].choices[0].delta.role == "assistant"
    assert end.choices[0].finish_reason == "length"
    assert [token.token for token in end.choices[0].logprobs.content] == ["<0>", "<1>", "<2>"]
    assert (usage.choices, usage.usage.total_tokens) == ([], 4)


def test_chunks_of_several_answers_have_their_index(client):
    said = ["", "", ""]
    stream = client.chat.completions.create(model="tiny", messages=HI, seed=0, n=3, stream=True)
    for piece in stream:
        said[piece.choices[0].index] += piece.choices[0].delta.content or ""
    assert said == ["said with 0", "said with 1", "said with 2"]


def test_a_policy_without_streams_and_tokens_is_served_too(serve):
    url = serve(LexicalPolicy(), name="lexical")
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        ask = client.chat.completions.create
        whole = ask(model="lexical", messages=HI).choices[0].message.content
        pieces = list(ask(model="lexical", messages=HI, stream=True))
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole
        with pytest.raises(openai.BadRequestError, match="does not report its tokens") as refused:
            ask(model="lexical", messages=HI, logprobs=True)
        assert refused.value.param == "logprobs"


def test_a_schema_is_passed_on_to_a_policy_that_takes_one(serve, speaker):
    class Held(speaker):
        structured: str = "json_schema"

    model = Held()
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    with openai.OpenAI(base_url=serve(model), api_key="none") as client:
        client.chat.completions.create(model="tiny", messages=HI, response_format=wanted)
    assert model.calls[0][1]["response_format"] == wanted


def test_another_model_is_not_found_and_the_right_one_is_named(client):
    with pytest.raises(openai.NotFoundError, match='the one served is "tiny"') as raised:
        client.chat.completions.create(model="gpt", messages=HI)
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("a/b")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (PolicyError("3 tokens too many", hint="shorten it"), 400, "hint: shorten it"),
        (KeyError("weights"), 500, "the policy failed: KeyError"),
    ],
)
def test_a_failure_of_the_policy_is_reported_with_its_cause(
    client, model, failure, status, said, stream
):
    model.failure = failure
    with pytest.raises(openai.APIError, match=said) as raised:
        list(client.chat.completions.create(model="tiny", messages=HI, stream=stream))
    if not stream:
        assert raised.value.status_code == status
    model.failure = None
    assert client.chat.completions.create(model="tiny", messages=HI).choices
