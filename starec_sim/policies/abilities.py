"""What a policy may be able to do besides answer, as runtime-checkable protocols.

A policy is any chat model of langchain-core. None of these abilities is required: a model of
another package has none of them and works. A model has an ability if it has the attribute; no
registration and no base class is needed. `Abilities` looks for them, and has a value for a model
that lacks one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from starec_sim import plugins
from starec_sim.errors import ConfigError
from starec_sim.policies.settings import Budget, split_spec
from starec_sim.types import Messages


@runtime_checkable
class Structured(Protocol):
    """Can be made to answer by a JSON schema: calls take `response_format=`, in OpenAI's form."""

    @property
    def structured(self) -> object:
        """Whether it is asked for JSON; any true value means yes."""
        ...


@runtime_checkable
class Constrained(Protocol):
    """Can be held to the form of an answer: calls take `expected=`, an `ExpectedAnswer`."""

    constrained: Any
    """Whether it is; any true value means yes. A training sets it to False."""


@runtime_checkable
class Seeded(Protocol):
    """Samples with a given seed: calls take `seed=`."""

    @property
    def seeded(self) -> object:
        """Whether calls are given a seed; any true value means yes."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """Limits how many calls it takes at once."""

    @property
    def max_in_flight(self) -> int:
        """The most calls in flight."""
        ...


@runtime_checkable
class Tempered(Protocol):
    """Has a temperature as a setting."""

    @property
    def temperature(self) -> float | None:
        """The temperature; at 0 it always gives its likeliest answer. None: unknown."""
        ...


@runtime_checkable
class Revised(Protocol):
    """Has a revision as a setting: which version of a model of this name it is."""

    @property
    def revision(self) -> str | None:
        """A branch, tag or commit; None is the main branch."""
        ...


@runtime_checkable
class Versioned(Protocol):
    """Names the weights that answer. The name changes when other weights are loaded."""

    @property
    def version(self) -> str:
        """The name of the weights that answer now."""
        ...


@runtime_checkable
class Loadable(Protocol):
    """Can answer with other weights, so that it can be trained."""

    def load(self, source: str | Path | None = None) -> str:
        """Answer with other weights from the next call on, and return their name.

        Args:
            source: An adapter or a model, by its path; None goes back to the weights of the
                settings.

        Raises:
            PolicyError: They cannot be read or do not fit; the old weights stay.
        """
        ...


@runtime_checkable
class Openable(Protocol):
    """Can be made ready before the first call: reads its weights, or checks its key."""

    async def aopen(self) -> None:
        """Make ready.

        Raises:
            PolicyError: It cannot answer at all.
        """
        ...


@runtime_checkable
class OpensWhenAsked(Protocol):
    """May be opened at its first question, because nothing that it needs can be missing."""

    @property
    def opens_when_asked(self) -> bool:
        """Whether that holds for its settings."""
        ...


@runtime_checkable
class Closeable(Protocol):
    """Holds connections or threads that have to be closed."""

    async def aclose(self) -> None:
        """Close them. A later call opens new ones."""
        ...


@runtime_checkable
class Detokenizing(Protocol):
    """Can turn token ids into text."""

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each token id."""
        ...


@runtime_checkable
class NamedWeights(Protocol):
    """Has weights that can be read and trained."""

    @property
    def model(self) -> str:
        """Their Hugging Face id, or the path of their folder."""
        ...


@runtime_checkable
class ServedWeights(Protocol):
    """Is a client of a server that can load other weights and can report tokens (vLLM)."""

    model: str
    """The name of the weights that the server is asked for."""

    @property
    def token_ids(self) -> bool:
        """Whether the server reports the ids and log-probabilities of tokens."""
        ...

    @property
    def base_url(self) -> str | None:
        """The address of the server's API; None where it has none of its own."""
        ...

    @property
    def trust_env(self) -> bool:
        """Whether requests go through the proxies that the environment names."""
        ...

    def key(self) -> str:
        """Return the key that the server is sent; empty if there is none."""
        ...


@runtime_checkable
class AnswersAtOnce(Protocol):
    """Answers by a function of the question that waits for nothing.

    Where nobody listens to calls by callbacks, this function is called in place of `ainvoke`, whose
    own work takes longer than that of a policy without weights.
    """

    @property
    def answers_at_once(self) -> bool:
        """Whether `answer_counted` says what `ainvoke` would say."""
        ...

    def answer_counted(self, messages: Messages) -> tuple[str, int, int]:
        """Return the answer to a question, and the tokens of the question and of the answer."""
        ...


@runtime_checkable
class DeclaresQuestions(Protocol):
    """Declares whether it can answer questions in free words, as those of an interview."""

    reads_questions: ClassVar[bool]
    """False where it reads only what agents ask: rankings, actions and summaries."""


@runtime_checkable
class DeclaresCost(Protocol):
    """Declares whether its calls cost money. The class declares it, before anything is built."""

    costs_nothing: ClassVar[bool]
    """True where every answer is computed on this machine."""


def costs_nothing(spec: Mapping[str, Any], at: str) -> bool:
    """Return whether the calls of a policy cost no money; one that does not declare it may cost.

    Args:
        spec: The policy, `{"use": reference, **settings}`. It is looked up and not built.
        at: The dotted key of the spec in the experiment, for error messages.

    Raises:
        PluginError: The reference leads nowhere.
    """
    policy = plugins.load("policies", str(spec["use"]), f"{at}.use")
    return isinstance(policy, DeclaresCost) and policy.costs_nothing


def check_price(spec: Mapping[str, Any], at: str, budget: Budget) -> None:
    """Refuse a budget of money for a policy that may cost an unknown amount.

    Args:
        spec: The policy, with its price if it has one.
        at: The dotted key of the spec, for error messages.
        budget: What may be spent.

    Raises:
        ConfigError: The policy has no price.
    """
    inner, terms = split_spec(spec, at)
    if budget.usd is not None and terms.price is None and not costs_nothing(inner, at):
        raise ConfigError(
            f"budget.usd: {at} has no price, so its cost would be unknown",
            hint="add `price: {tokens_in: ..., tokens_out: ..., as_of: 2026-11-01}`, "
            "in USD for a million tokens; 0 where it costs nothing",
        )


class Abilities:
    """The abilities of one model, looked up when they are first needed.

    The protocols are checked once for each model, because `isinstance` with a protocol costs tens
    of microseconds before Python 3.12; the values are read anew each time.

    Args:
        model: The chat model.
    """

    def __init__(self, model: object) -> None:
        self._model = model
        self._is_open = False

    @property
    def takes_schema(self) -> bool:
        """Whether calls may carry a JSON schema."""
        return self._structured is not None and bool(self._structured.structured)

    @property
    def takes_expected(self) -> bool:
        """Whether calls may carry what their answer has to hold."""
        return self._constrained is not None and bool(self._constrained.constrained)

    @property
    def takes_seed(self) -> bool:
        """Whether calls may carry a seed."""
        return self._seeded is not None and bool(self._seeded.seeded)

    @property
    def is_greedy(self) -> bool:
        """Whether the model always gives its likeliest answer, so that no seed matters."""
        return self._tempered is not None and self._tempered.temperature == 0

    @property
    def max_in_flight(self) -> int | None:
        """How many calls the model takes at once; None if it does not say."""
        return self._model.max_in_flight if isinstance(self._model, Bounded) else None

    @cached_property
    def answer_at_once(self) -> Callable[[Messages], tuple[str, int, int]] | None:
        """Returns the answer to a question without waiting, with its tokens; None if it cannot."""
        model = self._model
        if isinstance(model, AnswersAtOnce) and model.answers_at_once:
            return model.answer_counted
        return None

    @property
    def reads_questions(self) -> bool:
        """Whether the model answers questions in free words; one that does not say so does."""
        return self._model.reads_questions if isinstance(self._model, DeclaresQuestions) else True

    @property
    def revision(self) -> str:
        """The revision in the settings; empty if there is no such setting."""
        return "" if self._revised is None else str(self._revised.revision)

    @property
    def version(self) -> str:
        """The name of the weights that answer; empty if the model has none.

        Raises:
            PolicyError: The weights have to be read first, and cannot be.
        """
        return "" if self._versioned is None else str(self._versioned.version)

    @property
    def version_if_open(self) -> str:
        """The name of the weights that answer; empty as well before the model was opened."""
        return self.version if self._is_open else ""

    @property
    def token_texts(self) -> Callable[[Sequence[int]], list[str]] | None:
        """Return the text of each token id; None if the model does not know its tokens."""
        return self._model.token_texts if isinstance(self._model, Detokenizing) else None

    async def open(self) -> None:
        """Make the model ready before its first call, if it can be.

        Raises:
            PolicyError: It cannot answer at all.
        """
        if isinstance(self._model, Openable):
            await self._model.aopen()
        self._is_open = True

    async def open_early(self) -> None:
        """Do what `open` does, unless the model may be opened at its first question.

        Raises:
            PolicyError: It cannot answer at all.
        """
        if not (isinstance(self._model, OpensWhenAsked) and self._model.opens_when_asked):
            await self.open()

    async def open_when_asked(self) -> None:
        """Do what `open` does, if that was not done; for the time before a question.

        Raises:
            PolicyError: It cannot answer at all.
        """
        if not self._is_open:
            await self.open()

    async def close(self) -> None:
        """Close what the model holds open, if anything."""
        if isinstance(self._model, Closeable):
            await self._model.aclose()

    @cached_property
    def _structured(self) -> Structured | None:
        return self._model if isinstance(self._model, Structured) else None

    @cached_property
    def _constrained(self) -> Constrained | None:
        return self._model if isinstance(self._model, Constrained) else None

    @cached_property
    def _seeded(self) -> Seeded | None:
        return self._model if isinstance(self._model, Seeded) else None

    @cached_property
    def _tempered(self) -> Tempered | None:
        return self._model if isinstance(self._model, Tempered) else None

    @cached_property
    def _revised(self) -> Revised | None:
        return self._model if isinstance(self._model, Revised) else None

    @cached_property
    def _versioned(self) -> Versioned | None:
        return self._model if isinstance(self._model, Versioned) else None
