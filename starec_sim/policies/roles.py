"""The roles of messages, for models that know no system role or want user and assistant in turn.

Chat templates of Gemma and of the first Mistral models raise an error on a system message, others
drop its text. Many templates also refuse two messages of one role in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

SystemSetting = Literal["auto", "keep", "merge"]
"""The setting `system` of a policy. `keep`: system messages are sent as they are. `merge`: their
text is put in front of the user's message that follows. `auto`: `keep` for a model that takes the
system role, else `merge`."""

_JOINED = (SystemMessage, HumanMessage, AIMessage)


class Roles(NamedTuple):
    """The roles that a model takes."""

    system: bool = True
    """Whether it reads system messages."""
    repeated: bool = True
    """Whether it takes two messages of one role in a row."""

    def fit(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        r"""Return messages that the model takes: the same text, in the same order.

        >>> from langchain_core.messages import SystemMessage
        >>> chat = [SystemMessage("You are A."), HumanMessage("Rank these.")]
        >>> Roles(system=False, repeated=False).fit(chat)[0].content
        'You are A.\n\nRank these.'
        >>> len(Roles().fit(chat))
        2
        """
        fitting = list(messages)
        if not self.system:
            fitting = [
                HumanMessage(message.content) if isinstance(message, SystemMessage) else message
                for message in fitting
            ]
        return fitting if self.repeated else join_neighbours(fitting)


def join_neighbours(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Join messages of one role that follow each other, with an empty line between their texts."""
    joined: list[BaseMessage] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last is None or type(last) is not type(message) or not isinstance(message, _JOINED):
            joined.append(message)
        else:
            joined[-1] = type(message)(content=_join(last, message))
    return joined


def _join(one: BaseMessage, other: BaseMessage) -> str:
    return "\n\n".join(text for text in (one.text, other.text) if text)
