import itertools

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from starec_sim.policies.roles import Roles, join_neighbours

messages = st.lists(
    st.builds(
        lambda kind, text: kind(text),
        st.sampled_from([SystemMessage, HumanMessage, AIMessage]),
        st.text("ab ", max_size=4),
    ),
    max_size=6,
)


def letters(chat):
    return "".join("".join(message.text.split()) for message in chat)


@given(messages, st.booleans(), st.booleans())
def test_no_text_is_lost_or_moved(chat, system, repeated):
    assert letters(Roles(system, repeated).fit(chat)) == letters(chat)


@given(messages)
def test_roles_alternate_between_user_and_assistant(chat):
    types = [message.type for message in Roles(system=False, repeated=False).fit(chat)]
    assert "system" not in types
    assert all(one != other for one, other in itertools.pairwise(types))


@given(messages)
def test_a_model_that_takes_all_roles_gets_the_messages_unchanged(chat):
    assert Roles().fit(chat) == chat


def test_text_in_parts_is_joined_as_text():
    chat = [SystemMessage([{"type": "text", "text": "a"}]), HumanMessage("b")]
    assert [m.content for m in Roles(system=False, repeated=False).fit(chat)] == ["a\n\nb"]


def test_answers_of_tools_are_not_joined():
    tools = [ToolMessage("a", tool_call_id="1"), ToolMessage("b", tool_call_id="2")]
    assert join_neighbours(tools) == tools
