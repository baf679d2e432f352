"""An agent without prompts and models: it acts on a page by the words of the items she rated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from starec_sim.agent import Call
from starec_sim.answers import card_terms
from starec_sim.errors import ConfigError
from starec_sim.policies.term_weights import term_weights
from starec_sim.settings import Settings
from starec_sim.tasks import FEED
from starec_sim.types import Action, Decision, Memory, Observation, Step, Verdict, Visit

_NEVER = Verdict(False, "never thinks slowly")


class QuickAgent:
    """Watches what words speak for, as the policy `lexical` does, in a quarter of a millisecond.

    A word (an attribute value on a card) counts by how many stars above the usual the items with
    it got, in the history that the user remembers. She watches an item if its words sum up to more
    than 0, or if it stands first and nothing is known of it, and leaves if she watches nothing.
    """

    class Config(Settings):
        """How much a user remembers."""

        history: int = Field(default=40, ge=1, le=10_000)
        """Experiences that a memory keeps."""

    def __init__(self, config: Config) -> None:
        self.history_limit = config.history
        self._terms: dict[str, tuple[str, ...]] = {}

    def prompts(self) -> Mapping[str, str]:
        """Return nothing: it asks nobody."""
        return {}

    async def visit(self, call: Call) -> Visit:
        """Play a visit."""
        world, memory, steps = call.environment, call.memory, tuple[Step, ...]()
        while not steps or not steps[-1].feedback.ending:
            shown = world.observe(call.user, steps)
            if shown.task != FEED:
                raise ConfigError(
                    f"agent: {type(self).__name__} acts on the pages of a feed; this environment "
                    f"has the task {shown.task.name}",
                    hint="use the agent `star`, which has a prompt for every task",
                )
            decision = self._decide(memory, shown, world.cards)
            feedback = world.respond(call.user, steps, shown, decision)
            memory = memory.after_step(feedback.experiences, "", self.history_limit)
            steps += (Step(shown, decision, feedback, _NEVER, (), memory),)
        return Visit(call.user, call.round, steps)

    def _decide(self, memory: Memory, shown: Observation, cards: Sequence[str]) -> Decision:
        weights, usual = self._taste(memory, cards)
        actions = []
        for place, (item, text) in enumerate(zip(shown.slate, shown.cards, strict=True)):
            known = [weights[term] for term in self._terms_of(text) if weights.get(term)]
            score = sum(known)
            watches = score > 0 or (not known and place == 0)
            stars = float(min(5, max(1, round(usual + score))))
            actions.append(Action(item, "watch", stars) if watches else Action(item))
        return Decision(actions=tuple(actions), leave=not any(act.done for act in actions))

    def _taste(self, memory: Memory, cards: Sequence[str]) -> tuple[Mapping[str, float], float]:
        """Return what each word is worth, in stars, and the stars that she usually gives."""
        return term_weights(
            [
                (e.rating, self._terms_of(cards[e.item]))
                for e in memory.history
                if e.rating is not None
            ]
        )

    def _terms_of(self, text: str) -> tuple[str, ...]:
        if text not in self._terms:
            self._terms[text] = card_terms(text)
        return self._terms[text]
