"""Which roles a chat template takes: found out by rendering short conversations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from starec_sim.errors import PolicyError
from starec_sim.policies.roles import Roles, SystemSetting

_log = logging.getLogger(__name__)

_HINT = "the template is in the model's tokenizer_config.json or chat_template.jinja"
_SYSTEM = SystemMessage("probe-system")
_QUESTION = HumanMessage("probe-question")
_ANSWER = AIMessage("probe-answer")
_MORE = HumanMessage("probe-more")

Render = Callable[[Sequence[BaseMessage]], str]
"""Applies a chat template."""


def accepted_roles(render: Render, model: str, system: SystemSetting) -> Roles:
    """Return the roles that a chat template takes.

    A template may also drop a text without an error, so what is rendered has to contain it.

    Args:
        render: Applies the template.
        model: The model's name, for messages.
        system: The setting of the policy.

    Raises:
        PolicyError: System messages are to be kept and the template does not take them, or it does
            not take a conversation at all.
    """
    roles = Roles()
    refusal = "" if system == "merge" else _problem(render, [_SYSTEM, _QUESTION])
    if refusal and system == "keep":
        raise PolicyError(
            f"the chat template of {model} does not take the system role: {refusal}",
            hint="set system: merge, and the user's message begins with that text",
        )
    if system == "merge" or refusal:
        roles = Roles(system=False, repeated=False)
    elif _problem(render, [_QUESTION, _MORE]):
        roles = Roles(repeated=False)
    problem = _problem(render, roles.fit([_SYSTEM, _QUESTION, _ANSWER, _MORE]))
    if problem:
        raise PolicyError(
            f"the chat template of {model} does not take a conversation (system, user, assistant, "
            f"user): {problem}",
            hint=_HINT,
        )
    if refusal:
        _log.warning(
            "the chat template of %s does not take the system role (%s): its text is put in front "
            "of the user's message, as with system: merge",
            model,
            refusal,
        )
    return roles


def _problem(render: Render, messages: Sequence[BaseMessage]) -> str:
    """Return why a template does not take messages; empty if it does."""
    try:
        text = render(messages)
    except Exception as error:  # of any kind: the template is a program of somebody else
        return str(error).strip().partition("\n")[0][:200] or type(error).__name__
    for message in messages:
        for part in message.text.split():
            if part not in text:
                return f"it leaves out the text of the {message.type} message"
    return ""
