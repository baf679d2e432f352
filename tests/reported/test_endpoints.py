"""Endpoints that refuse a parameter, answer in another shape, or are overloaded."""

import asyncio
import gzip
import json
import re
import ssl
import warnings

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from starec_sim.answers import labels, read_decision
from starec_sim.build import build_policy
from starec_sim.errors import ConfigError, PausedError, PluginError, PolicyError, PolicyWarning
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy, endpoint_client
from starec_sim.policies.gateway.failures import as_policy_error
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.policies.openai.failures import explain
from starec_sim.policies.openai.target import Target
from starec_sim.policies.settings import GatewaySettings
from starec_sim.rng import Streams
from starec_sim.tasks import RANKING
from starec_sim.types import CallKey, Observation
from tests.chat_endpoint import completion, endpoint  # noqa: F401
from tests.turn_store import Turns


def text_of(body):
    return next(m["content"] for m in body["messages"] if m["role"] == "user")


def ranking_of(body):
    """The labels of the candidates of a question, best first; None for another question."""
    asked = re.search(r"Rank all (\d+) candidates", text_of(body))
    return labels(int(asked[1])) if asked else None


def good(body):
    """A right answer to what is asked."""
    ranking = ranking_of(body)
    text = f"<think>\nfine\n</think>\n<ranking>{' > '.join(ranking)}</ranking>" if ranking else "ok"
    return {"json": completion(text, usage=(400, 20))}


def answering(content=None, *, usage=(400, 20), **message):
    return lambda body: {"json": completion(content, usage=usage, **message)}


def refusing(status, message, where):
    """Refuse the requests for which `where` holds; answer all others."""

    def reply(body):
        if where(body):
            return {"status": status, "json": {"error": {"message": message}}}
        return good(body)

    return reply


@pytest.fixture
def play(endpoint, starec, tmp_path, monkeypatch):  # noqa: F811
    """Run four users against the endpoint; return the status, the answer of --json, and stderr."""
    monkeypatch.chdir(tmp_path)

    def play(reply, *arguments, users=4, **settings):
        endpoint.replies(reply)
        policy = {"use": "openai", "model": "fake", "base_url": endpoint.url, **settings}
        values = {
            "name": "case",
            "rounds": 1,
            "seed": 1,
            "data": {"use": "synthetic", "users": users, "items": 100},
            "environment": {"use": "ranking", "candidates": 5},
            "agent": {"use": "star", "gate": {"when": "never"}},
            "policies": {"fast": policy, "slow": policy},
            "gateway": {"backoff_s": 0, "retries": 2},
        }
        (tmp_path / "x.yaml").write_text(yaml.safe_dump(values))
        status, out, err = starec("run", "x.yaml", *(arguments or ("--json",)))
        return status, json.loads(out) if not arguments else out, err

    return play


def failures(answer):
    return {
        each["cause"]: (each["turns"], each["example"]) for each in answer["ledger"]["failures"]
    }


# --- refused calls --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "words", "settings", "change"),
    [
        (lambda body: "seed" in body, "seed: Extra inputs are not permitted", {}, "seeded: false"),
        (
            lambda body: "response_format" in body,
            "This response_format type is unavailable now",
            {"structured": "json_schema"},
            "leave structured out, or set structured: json_object",
        ),
        (
            lambda body: "max_tokens" in body,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            {"max_tokens": 50},
            "max_tokens_key: max_completion_tokens",
        ),
        (
            lambda body: body["messages"][0]["role"] == "system",
            "System role not supported",
            {"system": "keep"},
            "system: merge",
        ),
        (
            lambda body: "logprobs" in body,
            "logprobs is not supported",
            {"token_ids": True},
            "token_ids: false",
        ),
        (
            lambda body: "min_p" in body,
            "min_p: unknown field",
            {"extra_body": {"min_p": 0.1}},
            "change min_p in extra_body",
        ),
        (
            lambda body: "seed" in body,
            "Bad request",
            {"max_tokens": 50},
            "leave it out: seed, max_tokens, the role system",
        ),
    ],
)
def test_a_parameter_that_is_refused_in_every_call_pauses_the_run_and_is_named(
    endpoint,  # noqa: F811
    refused,
    words,
    settings,
    change,
):
    endpoint.replies(refusing(422, words, refused))
    policy = OpenAIPolicy(model="m", base_url=endpoint.url, **settings)
    schema = {"title": "ranking", "type": "object"} if "structured" in settings else None
    messages = (("system", "You are A."), ("user", "Rank."))

    async def once():
        try:
            await gateway_of(policy).ask(CallKey(0, 0, 0, "fast"), messages, schema)
        finally:
            await policy.aclose()

    with pytest.raises(PausedError) as paused:
        asyncio.run(once())
    assert change in paused.value.hint
    assert words[:30] in paused.value.message


REFUSED_SEED = refusing(422, "seed: Extra inputs are not permitted", lambda body: "seed" in body)


def test_a_run_in_which_every_call_is_refused_pauses_and_prints_no_figure(play):
    status, answer, _ = play(REFUSED_SEED)
    assert status == 3
    assert answer["hint"].startswith("set seeded: false")
    assert not {"ledger", "arms", "digest"} & set(answer)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"content": None}, "have no text"),
        ({"content": " "}, "have no text"),
        ({"content": None, "tool_calls": [{"type": "function"}]}, "have no text: it calls a tool"),
    ],
)
def test_a_run_in_which_no_answer_has_a_text_pauses_and_prints_no_figure(play, message, why):
    status, answer, _ = play(answering(**message))
    assert status == 3
    assert 'the first 4 answers of the policy "openai:fake" ' + why in answer["error"]
    assert answer["hint"].startswith("change model or base_url of the policy")
    assert not {"ledger", "arms", "digest"} & set(answer)


def test_an_audit_in_which_no_answer_has_a_text_pauses(endpoint, starec, tmp_path):  # noqa: F811
    endpoint.replies(answering(None))
    policy = f"openai,model=fake,base_url={endpoint.url}"
    data = ["--data", "synthetic,users=30,items=120,interactions=40", "--users", "2"]
    code, _, err = starec("audit", policy, *data, "--only", "form", "--runs-dir", tmp_path)
    assert code == 3 and "have no text" in err


def test_answers_without_a_text_among_others_do_not_pause_a_run(play):
    people = []

    def reply(body):
        people.append(text_of(body))
        return good(body) if text_of(body) == people[0] else answering(None)(body)

    assert play(reply)[0] == 0


@pytest.mark.slow
def test_an_evaluation_in_which_every_call_is_refused_pauses(endpoint, starec, tmp_path):  # noqa: F811
    endpoint.replies(REFUSED_SEED)
    policy = f"openai,model=fake,base_url={endpoint.url}"
    data = ["--data", "synthetic,users=30,items=120,interactions=40", "--users", "2"]
    data += ["--runs-dir", tmp_path]
    status, out, _ = starec("eval", policy, *data, "--json")
    assert status == 3
    assert json.loads(out)["hint"].startswith("set seeded: false")


def test_one_prompt_that_a_filter_refuses_with_403_costs_one_step_and_says_nothing_of_a_key(play):
    flagged = []

    def flag(body):
        return ranking_of(body) and (flagged or flagged.append(text_of(body)) or flagged)[
            0
        ] == text_of(body)

    status, answer, _ = play(refusing(403, "The input was flagged by moderation", flag))
    assert status == 0
    (turns, example) = failures(answer)["refused"]
    assert turns == 1
    assert example.endswith("refused the request (403): The input was flagged by moderation")


@pytest.mark.parametrize("status", [403, 400])
def test_an_audit_of_which_one_prompt_is_refused_ends_and_says_so(
    endpoint,  # noqa: F811
    starec,
    tmp_path,
    status,
):
    asked = []

    def reply(body):
        if "the card" not in asked and ranking_of(body):
            asked.extend(["the card", text_of(body)])
        refuse = text_of(body) in asked
        return refusing(status, "flagged by the filter", lambda body: refuse)(body)

    endpoint.replies(reply)
    policy = f"openai,model=fake,base_url={endpoint.url}"
    data = ["--data", "synthetic,users=30,items=120,interactions=40", "--users", "2"]
    audit = ["audit", policy, *data, "--only", "form", "--runs-dir", tmp_path, "--concurrency", "1"]
    code, out, _ = starec(*audit)
    assert code == 0 and "1 calls were refused and count as answers without a choice" in out
    assert "flagged by the filter" in out
    (folder,) = tmp_path.iterdir()
    assert "calls were refused" in (folder / "audit.html").read_text()
    assert "1 calls were refused" in starec("show", folder)[1]


@pytest.mark.parametrize("mended", [True, False])
def test_an_audit_of_which_one_prompt_always_fails_ends_the_second_time(
    endpoint,  # noqa: F811
    starec,
    tmp_path,
    monkeypatch,
    mended,
):
    sleep = asyncio.sleep
    monkeypatch.setattr(endpoint_client.asyncio, "sleep", lambda seconds: sleep(0))
    asked, failing = [], [True]

    def reply(body):
        if not asked and ranking_of(body):
            asked.append(text_of(body))
        fails = text_of(body) in asked and failing[0]
        return refusing(500, "it crashed", lambda body: fails)(body)

    endpoint.replies(reply)
    policy = f"openai,model=fake,base_url={endpoint.url}"
    data = ["--data", "synthetic,users=30,items=120,interactions=40", "--users", "2"]
    audit = ["audit", policy, *data, "--only", "form", "--runs-dir", tmp_path, "--concurrency", "1"]
    code, _, err = starec(*audit)
    assert code == 2 and "calls that fail again count as answers without a choice" in err
    failing[0] = not mended
    code, out, _ = starec(*audit)
    assert code == 0
    assert ("1 calls were refused or failed and count as answers without a choice" in out) != mended
    assert ("failed (500): it crashed" in out) != mended
    assert len(list(tmp_path.iterdir())) == 1


def test_an_audit_in_which_every_call_is_refused_pauses(endpoint, starec, tmp_path):  # noqa: F811
    endpoint.replies(refusing(400, "seed: Extra inputs are not permitted", lambda body: True))
    policy = f"openai,model=fake,base_url={endpoint.url}"
    data = ["--data", "synthetic,users=30,items=120,interactions=40", "--users", "2"]
    code, _, err = starec("audit", policy, *data, "--only", "form", "--runs-dir", tmp_path)
    assert code == 3 and "set seeded: false" in err


def test_one_prompt_that_has_no_route_costs_one_step(play):
    first = []

    def unroutable(body):
        return ranking_of(body) and (first or first.append(text_of(body)) or first)[0] == text_of(
            body
        )

    status, answer, _ = play(refusing(404, "No endpoints found for this prompt", unroutable))
    assert (status, failures(answer)["refused"][0]) == (0, 1)


def test_a_key_that_is_refused_in_every_call_pauses_the_run(play):
    status, answer, _ = play(refusing(403, "you may not use this", lambda body: True))
    assert status == 3
    assert "export SOME_KEY=" in answer["hint"]


def test_a_refusal_of_one_schema_is_not_excused_by_answers_to_other_questions():
    model = RefusesSchemas()
    gateway = gateway_of(model)
    schema = {"title": "ranking", "type": "object"}

    async def both():
        key = CallKey(0, 0, 0, "fast")
        turn = await gateway.ask(key, (("user", "a"),))
        assert turn.completion == "fine"
        await gateway.ask(key._replace(user=1), (("user", "b"),), schema)

    with pytest.raises(PausedError, match="no schemas here"):
        asyncio.run(both())


class RefusesSchemas(BaseChatModel):
    structured: bool = True

    @property
    def _llm_type(self):
        return "refuses schemas"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise NotImplementedError

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        if "response_format" in kwargs:
            raise PolicyError("no schemas here", cause="refused")
        return ChatResult(generations=[ChatGeneration(message=AIMessage("fine"))])


def gateway_of(model, **settings):
    policy = Policy("far", model)
    resources = GatewayResources(GatewaySettings(backoff_s=0, **settings))
    return Gateway({"fast": policy, "slow": policy}, Streams(0), Turns(), "", resources)


# --- roles ----------------------------------------------------------------------------------------

CHAT = [SystemMessage("You are A."), HumanMessage("Rank."), HumanMessage("Now.")]


def ask(policy, messages="hi", **options):
    async def once():
        try:
            return await policy.ainvoke(messages, **options)
        finally:
            await policy.aclose()

    return asyncio.run(once())


def roles(body):
    return [message["role"] for message in body["messages"]]


@pytest.mark.parametrize(
    "words",
    [
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Developer instruction is not enabled for models/gemma",
        "[{'loc': ['body', 'messages', 0, 'role'], 'msg': \"Input should be 'user'\"}]",
    ],
)
def test_a_refused_system_role_is_merged_and_said_once(endpoint, words):  # noqa: F811
    endpoint.replies(refusing(400, words, lambda body: roles(body)[0] == "system"))
    policy = OpenAIPolicy(model="m", base_url=endpoint.url)
    with pytest.warns(PolicyWarning, match="refuses the role system") as said:
        assert ask(policy, CHAT).text == "ok"
        assert ask(policy, CHAT).text == "ok"
    assert len(said) == 1
    assert [roles(body) for body in endpoint.bodies] == [
        ["system", "user", "user"],
        ["user"],
        ["user"],
    ]
    assert text_of(endpoint.bodies[1]) == "You are A.\n\nRank.\n\nNow."


def test_a_refusal_that_merged_roles_do_not_mend_is_the_refusal_of_the_roles(endpoint):  # noqa: F811
    endpoint.replies(
        {"status": 400, "json": {"error": {"message": "your role has no quota"}}},
        {"status": 400, "json": {"error": {"message": "still not"}}},
    )
    with pytest.raises(PolicyError, match="your role has no quota"):
        ask(OpenAIPolicy(model="m", base_url=endpoint.url), CHAT)


def test_merge_never_sends_a_system_role_and_keep_always_does(endpoint):  # noqa: F811
    endpoint.replies(good)
    ask(OpenAIPolicy(model="m", base_url=endpoint.url, system="merge"), CHAT)
    ask(OpenAIPolicy(model="m", base_url=endpoint.url, system="keep"), CHAT)
    assert [roles(body) for body in endpoint.bodies] == [["user"], ["system", "user", "user"]]


def test_the_note_about_merged_roles_is_one_line_of_the_command(play):
    refuses = refusing(400, "System role not supported", lambda body: roles(body)[0] == "system")
    status, _, err = play(refuses)
    assert status == 0
    assert err.count("refuses the role system") == 1
    assert "\nnote: " in f"\n{err}"


# --- the shape of answers -------------------------------------------------------------------------

RANKED = "<ranking>A > B</ranking>"


@pytest.mark.parametrize(
    "message",
    [
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": RANKED},
            ]
        },
        {"content": [{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": RANKED}]},
        {"content": RANKED, "reasoning_content": "hm"},
        {"content": RANKED, "reasoning": "hm"},
        {"content": f"<think>\nhm\n</think>\n{RANKED}"},
    ],
)
def test_reasoning_is_read_wherever_it_stands(endpoint, message):  # noqa: F811
    endpoint.replies({"json": completion(**message)})
    reply = ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert reply.content == f"<think>\nhm\n</think>\n{RANKED}"
    assert "ending" not in reply.response_metadata


SHAPES = [
    ({"content": "<think>\nA is a", "finish_reason": "length"}, "length", "cut by max_tokens"),
    (
        {"content": "", "reasoning_content": "Well", "finish_reason": "length"},
        "length",
        "cut by max_tokens inside its reasoning",
    ),
    ({"content": None, "reasoning_content": "Well, A."}, "reasoning", "no answer after it"),
    ({"content": None, "refusal": "I cannot help."}, "refusal", "declines to answer"),
    ({"content": [{"type": "refusal", "refusal": "No."}]}, "refusal", "declines to answer"),
    ({"content": "A", "finish_reason": "content_filter"}, "content_filter", "a content filter"),
    ({"content": None, "tool_calls": [{"type": "function"}]}, "tool_calls", "it calls a tool"),
    ({"content": None}, "empty", "exactly one <ranking>"),
]


def test_answers_that_are_no_answers_are_named_in_the_turn_and_in_the_repair_question(
    play,
    endpoint,  # noqa: F811
):
    people = []

    def shape(body):
        if (person := text_of(body)) not in people:
            people.append(person)
        return SHAPES[people.index(person) % len(SHAPES)]

    def reply(body):
        return good(body) if ranking_of(body) is None else answering(**shape(body)[0])(body)

    status, answer, _ = play(reply, users=14)
    assert status == 0
    assert len(people) >= len(SHAPES)
    found = failures(answer)
    assert set(found) == {cause for _, cause, _ in SHAPES}
    assert "cut by max_tokens" in found["length"][1]
    repairs = {}
    for body in endpoint.bodies:
        if len(body["messages"]) > 2:
            _, cause, words = shape(body)
            assert words in body["messages"][-1]["content"]
            repairs[cause] = repairs.get(cause, 0) + 1
    assert repairs == {
        cause: turns // 2 for cause, (turns, _) in found.items() if cause != "length"
    }


def test_the_summary_says_how_many_answers_were_cut_and_to_raise_max_tokens(play, starec):
    status, out, _ = play(answering("<think>\nA", finish_reason="length"), "--set", "seed=1")
    assert status == 0
    assert "length: 4 answers cut by max_tokens and not repaired: raise it" in out


def test_an_answer_that_is_whole_but_for_its_end_is_read(play):
    def reply(body):
        found = good(body)
        found["json"]["choices"][0]["finish_reason"] = "length"
        return found

    status, answer, _ = play(reply)
    assert (status, failures(answer)) == (0, {})


@given(
    fence=st.sampled_from(["```json\n{}\n```", "```\n{}\n```", "```JSON\n{}```", "{}"]),
    thought=st.sampled_from(["", "<think>\nhm {\n</think>\n", "hm</think>"]),
    ranking=st.permutations(labels(4)),
)
def test_json_in_a_fence_or_behind_reasoning_is_read(fence, thought, ranking):
    answer = thought + fence.replace("{}", json.dumps({"think": "x", "ranking": ranking}))
    slate = Observation(RANKING, (0, 1, 2, 3), ("",) * 4)
    decision, findings = read_decision(answer, slate, "json")
    assert not findings.counts
    assert [labels(4)[item] for item in decision.ranking] == ranking


def test_a_run_with_cut_answers_replays_and_resumes_without_a_repair(play, starec):
    _, played, _ = play(answering("<think>\nA", finish_reason="length"))
    status, out, err = starec("replay", "latest", "--json")
    assert status == 0, err
    replayed = json.loads(out)
    assert replayed["digest"] == played["digest"]
    assert failures(replayed)["length"][0] == 4


def test_a_server_that_breaks_off_is_asked_again(endpoint):  # noqa: F811
    endpoint.replies({"json": completion("A", finish_reason="insufficient_system_resource")})
    with pytest.raises(PolicyError, match="broke off the answer") as raised:
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert raised.value.cause == "endpoint"


@pytest.mark.parametrize("usage", [(-1, 2), (10**30, 2)])
def test_a_count_of_tokens_that_cannot_be_is_no_count(endpoint, usage):  # noqa: F811
    endpoint.replies({"json": completion(usage=usage)})
    assert ask(OpenAIPolicy(model="m", base_url=endpoint.url)).usage_metadata is None


# --- overload, and prompts that are cut -----------------------------------------------------------


class AnswersTwoAtOnce(BaseChatModel):
    """Times out for calls beyond two in flight, like a busy server with a short time-out."""

    _in_flight: int = PrivateAttr(default=0)
    _most: list = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self):
        return "two at once"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise NotImplementedError

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        self._in_flight += 1
        self._most.append(self._in_flight)
        try:
            for _ in range(20):
                await asyncio.sleep(0)
            if self._in_flight > 2:
                raise PolicyError("silent", cause="time-out")
            return ChatResult(generations=[ChatGeneration(message=AIMessage("fine"))])
        finally:
            self._in_flight -= 1


def test_a_server_that_answers_few_at_once_is_asked_less_at_once_before_calls_are_given_up():
    model = AnswersTwoAtOnce()
    gateway = gateway_of(model, retries=2)

    async def together():
        questions = [
            gateway.ask(CallKey(0, user, 0, "fast"), (("user", str(user)),)) for user in range(40)
        ]
        return await asyncio.gather(*questions)

    turns = asyncio.run(together())
    assert [turn.failure for turn in turns] == [""] * 40
    assert max(model._most[:40]) == 40
    assert max(model._most[-20:]) < 10


class AnswersNobody(AnswersTwoAtOnce):
    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        self._most.append(1)
        await asyncio.sleep(0)
        raise PolicyError("silent", cause="time-out")


def test_a_server_that_answers_nobody_is_noticed_after_few_further_calls():
    model = AnswersNobody()
    gateway = gateway_of(model, retries=2)

    async def together():
        questions = (
            gateway.ask(CallKey(0, user, 0, "fast"), (("user", str(user)),)) for user in range(40)
        )
        await asyncio.gather(*questions)

    with pytest.raises(PausedError, match="silent"):
        asyncio.run(together())
    assert len(model._most) < 60


def test_a_prompt_that_the_server_cut_is_a_warning(play):
    status, out, _ = play(lambda body: {"json": completion("x", usage=(40, 2))}, "--set", "seed=1")
    assert status == 0
    said = " ".join(out.split())
    assert re.search(r"Warning: openai:fake reports 40 tokens for a prompt of 1,\d{3} char", said)
    assert "far fewer than were sent" in said


def test_a_prompt_that_was_read_whole_is_no_warning(play):
    _, answer, _ = play(good)
    assert answer["ledger"]["cut_prompts"] == []


# --- the door to a server -------------------------------------------------------------------------


def test_a_redirect_to_another_host_is_refused_before_the_prompt_is_sent_there(endpoint):  # noqa: F811
    elsewhere = endpoint.url.replace("127.0.0.1", "localhost") + "/chat/completions"
    endpoint.replies({"status": 307, "text": "", "headers": {"Location": elsewhere}})
    with pytest.raises(PolicyError, match="redirects to another server") as raised:
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert (raised.value.cause, len(endpoint.bodies)) == ("closed", 1)
    assert f"write base_url: {elsewhere.removesuffix('/chat/completions')} if" in raised.value.hint


@pytest.mark.parametrize("where", ["file:///etc/passwd", "{}@127.0.0.1:9/x", "{}\\@127.0.0.1:9/x"])
def test_a_redirect_to_what_is_no_plain_address_is_refused(endpoint, where):  # noqa: F811
    to = where.format(endpoint.url.removesuffix("/v1"))
    endpoint.replies({"status": 307, "text": "", "headers": {"Location": to}})
    with pytest.raises(PolicyError, match="redirects to what is no plain address") as raised:
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert (raised.value.cause, len(endpoint.bodies)) == ("closed", 1)
    assert "write base_url" not in raised.value.hint


def test_a_loop_of_redirects_ends_and_is_named(endpoint):  # noqa: F811
    here = {"Location": endpoint.url + "/chat/completions"}
    endpoint.replies({"status": 307, "text": "", "headers": here})
    with pytest.raises(PolicyError, match="redirects again and again") as raised:
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert len(endpoint.bodies) <= 4
    assert raised.value.cause == "closed"


def test_a_redirect_to_nowhere_is_no_fault_of_a_setting(endpoint):  # noqa: F811
    endpoint.replies({"status": 307, "text": ""})
    with pytest.raises(PolicyError, match="answered with the status 307, which is no") as raised:
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert raised.value.hint.startswith("base_url must be the API itself")


@pytest.mark.parametrize(
    "reply",
    [
        {"data": b"no gzip", "headers": {"Content-Encoding": "gzip"}},
        {"json": {}, "headers": {"X-Long": "x" * 20_000}},
    ],
)
def test_a_server_that_sends_damaged_http_is_not_said_to_be_down(endpoint, reply):  # noqa: F811
    endpoint.replies(reply)
    with pytest.raises(PolicyError, match="answers in what is no valid HTTP") as raised:
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert "is the server running" not in raised.value.hint


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_of_many_megabytes_is_not_read(endpoint, status):  # noqa: F811
    endpoint.replies({"status": status, "text": "x" * (9 << 20)})
    with pytest.raises(PolicyError, match="sent more than 8 MB in one response"):
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))


def test_a_small_body_that_unfolds_to_many_megabytes_is_not_read(endpoint):  # noqa: F811
    packed = gzip.compress(b"x" * (64 << 20))
    endpoint.replies({"data": packed, "headers": {"Content-Encoding": "gzip"}})
    with pytest.raises(PolicyError, match="sent more than 8 MB in one response"):
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))


def test_an_encoding_that_was_not_asked_for_is_named(endpoint):  # noqa: F811
    endpoint.replies({"data": b"x", "headers": {"Content-Encoding": "br"}})
    with pytest.raises(PolicyError, match="in the encoding 'br'"):
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))


def test_control_characters_of_an_endpoint_are_visible(endpoint):  # noqa: F811
    endpoint.replies({"status": 400, "json": {"error": {"message": "no \x1b[31mred\u202e"}}})
    with pytest.raises(PolicyError) as raised:
        ask(OpenAIPolicy(model="m", base_url=endpoint.url))
    assert r"no \x1b[31mred\u202e" in raised.value.message


# --- hints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        (
            "http://host:1/v1/chat/completions",
            "ends in /chat/completions",
            "write base_url: http://host:1/v1",
        ),
        ("http://host:1/v1/models/", "ends in /models", "write base_url: http://host:1/v1"),
        (
            "https://x.azure.com/openai/deployments/gpt/?api-version=2024-06-01",
            "query parameters",
            "write base_url: https://x.azure.com/openai/deployments/gpt and extra_query: "
            '{api-version: "2024-06-01"}',
        ),
        ("http://host/v1?api_key=sk-1", "a key does not belong", "api_key_env"),
        ("http://me:sk-1@host/v1", "does not belong in the address", "api_key_env"),
        ("localhost:8000/v1", "expected an address", "write base_url: http://localhost:8000/v1"),
        ("api.x.ai/v1", "expected an address", "write base_url: https://api.x.ai/v1"),
        ("http://host:99999/v1", "Port out of range", "a port between 1 and 65535"),
    ],
)
def test_a_wrong_address_is_refused_with_the_address_to_write(url, message, hint):
    with pytest.raises(ConfigError) as raised:
        OpenAIPolicy(model="m", base_url=url)
    assert message in raised.value.message
    assert hint in raised.value.hint
    assert "sk-1" not in str(raised.value)


def test_query_parameters_are_sent_and_no_key_is_among_them(endpoint):  # noqa: F811
    ask(OpenAIPolicy(model="m", base_url=endpoint.url, extra_query={"api-version": "7"}))
    assert endpoint.paths == ["/v1/chat/completions?api-version=7"]
    with pytest.raises(ConfigError, match="subscription-key looks like a key"):
        OpenAIPolicy(model="m", base_url=endpoint.url, extra_query={"subscription-key": "1"})


def test_settings_that_are_not_used_do_not_change_the_keys_of_a_cache():
    plain = OpenAIPolicy(model="m")._identifying_params
    assert not {"system", "extra_query"} & set(plain)
    assert {"temperature", "base_url", "seeded"} <= set(plain)
    assert OpenAIPolicy(model="m", system="merge")._identifying_params["system"] == "merge"


TARGET = Target("https://host/v1", "m", "", None, 60)


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        (ssl.SSLCertVerificationError("self-signed certificate"), "SSL_CERT_FILE"),
        (ssl.SSLError("wrong version number"), "write base_url: http://host/v1"),
        (ConnectionRefusedError("refused"), "curl https://host/v1/models"),
    ],
)
def test_a_connection_that_fails_has_the_hint_of_its_cause(cause, hint):
    error = RuntimeError("connection error")
    error.__cause__ = cause
    assert hint in explain(error, TARGET, {}).hint


@pytest.mark.parametrize(
    ("status", "words", "cause", "hint"),
    [
        (400, "API key not valid. Please pass a valid API key.", "closed", "export SOME_KEY="),
        (402, "Insufficient Balance", "closed", "top it up"),
        (404, "model 'm' not found, try: a, b", "denied", "curl"),
        (405, "Method Not Allowed", "refused", "base_url"),
        (400, "the prompt is too long: 9000 tokens", "refused", "lower max_tokens (now 50)"),
        (400, "max_tokens is too large: 50", "refused", "change max_tokens (now 50)"),
        (400, "temperature must be 1", "refused", "temperature"),
    ],
)
def test_a_status_has_the_hint_of_its_words(endpoint, status, words, cause, hint):  # noqa: F811
    endpoint.replies({"status": status, "json": {"error": {"message": words}}})
    policy = OpenAIPolicy(model="m", base_url=endpoint.url, max_tokens=50, temperature=0)
    with pytest.raises(PolicyError) as raised:
        ask(policy)
    assert (raised.value.cause, hint in raised.value.hint) == (cause, True), raised.value.hint


class NeedsAModule(BaseChatModel):
    @property
    def _llm_type(self):
        return "needs a module"

    def __init__(self, **settings):
        import no_such_module  # noqa: F401

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise NotImplementedError


def test_a_module_that_is_missing_is_named_with_the_command_that_installs_it():
    with pytest.raises(PluginError) as raised:
        build_policy({"use": f"{__file__}:NeedsAModule"}, "policies.fast")
    assert "No module named 'no_such_module'" in raised.value.message
    assert raised.value.hint.endswith("pip install no_such_module")
    failed = as_policy_error(ModuleNotFoundError("No module named 'x'", name="x.y"), "far")
    assert (failed.cause, failed.hint.endswith("pip install x")) == ("closed", True)


@pytest.mark.parametrize(
    ("asked", "named", "warned"),
    [
        ("fake", "another-model-7b", True),
        ("gpt-4o", "gpt-4o-2024-08-06", False),
        ("Qwen/Qwen3-8B", "qwen3:8b", False),
    ],
)
def test_an_endpoint_that_names_another_model_is_told_once(endpoint, asked, named, warned):  # noqa: F811
    endpoint.replies({"json": completion() | {"model": named}})
    model = OpenAIPolicy(model=asked, base_url=endpoint.url)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PolicyWarning)
        asyncio.run(asked_twice(model))
    said = [str(each.message) for each in caught if "was asked for the model" in str(each.message)]
    assert len(said) == warned
    assert all(f'says that "{named}" answers' in each for each in said)


async def asked_twice(model):
    for _ in range(2):
        await model.ainvoke([HumanMessage("hello")])
    await model.aclose()
