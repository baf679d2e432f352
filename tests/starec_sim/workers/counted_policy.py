"""Plug-ins for tests: a policy that may cost money, and agents that do what they may not."""

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


async def ask_twice(call):
    """Ask two questions under one key."""
    key = call.key(900, "slow")
    for question in ("What do you like?", "What do you avoid?"):
        await call.policies.ask(key, (("user", question),))


class TwiceAskingAgent(StarAgent):
    """Asks two questions under one key."""

    async def visit(self, call):
        await ask_twice(call)
        return await super().visit(call)

    async def visits(self, calls, failed):
        for call in calls:
            await ask_twice(call)
        return await super().visits(calls, failed)


class SometimesTwiceAskingAgent(StarAgent):
    """Asks two questions under one key for the user in row 3."""

    async def visit(self, call):
        if call.user == 3:
            await ask_twice(call)
        return await super().visit(call)


class OtherwiseAskingAgent(StarAgent):
    """Asks something else each time a visit is played."""

    played = 0

    async def visit(self, call):
        type(self).played += 1
        await call.policies.ask(call.key(900, "slow"), (("user", f"The {self.played}. time"),))
        return await super().visit(call)
