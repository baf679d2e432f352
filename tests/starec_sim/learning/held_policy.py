"""A policy that can be held to a form, and keeps which answers were expected of it."""

from typing import Any, ClassVar

from .random_policy import RandomPolicy


class HeldPolicy(RandomPolicy):
    constrained: Any = "tags"
    asked: ClassVar[list[tuple[Any, Any]]] = []
    """The messages of each call, as pairs, and the answer that it says is expected."""

    def _generate(self, messages, stop=None, run_manager=None, seed=0, **kwargs: Any):
        roles = {"human": "user", "ai": "assistant"}
        pairs = tuple((roles.get(each.type, each.type), each.text) for each in messages)
        self.asked.append((pairs, kwargs.get("expected")))
        return super()._generate(messages, stop, run_manager, seed)
