"""Plug-ins for tests: a policy that may cost money, and an agent that fails for one user."""

from typing import ClassVar

from starec_agents.star import StarAgent
from starec_sim.policies.lexical import LexicalPolicy


class CountedPolicy(LexicalPolicy):
    """Answers like `lexical`, and does not say that it costs nothing."""

    costs_nothing: ClassVar[bool] = False


class FailingAgent(StarAgent):
    """Cannot play the user in row 3."""

    async def visit(self, call):
        if call.user == 3:
            raise ValueError("no user 3")
        return await super().visit(call)
