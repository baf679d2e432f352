"""The policy that ships: a decoder of 2.4 million parameters. Its weights are in this folder.

It was trained from scratch on generated worlds only, reads the prompts that every policy reads, and
runs on the engine of `local`. `MODEL_CARD.md` says what it was trained on, what it scores, and what
it cannot do; `experiments/05_nano` has its recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from starec_sim.policies.local import LocalPolicy

__all__ = ["HERE", "NanoPolicy", "Stage"]

Stage = Literal["trained", "anchored"]

HERE = Path(__file__).parent


class NanoPolicy(LocalPolicy):
    """The model that ships, on this machine's processor, without a download.

    Its settings are those of `local`. `stage` chooses one of the two weights that ship; `model`, if
    it is set, names others of the same kind, such as those that `starec train` makes of `nano`.

    Example:
        In an experiment::

            fast: {use: nano, stage: anchored}

        In Python:

        >>> policy = NanoPolicy(temperature=0)
        >>> Path(policy.model).name, policy.max_tokens
        ('trained', 400)
    """

    reads_questions: ClassVar[bool] = False

    stage: Stage = "trained"
    """`anchored` was trained to imitate the scripted teacher (SFT); `trained` then learned from a
    generated world (GRPO)."""
    model: str = ""
    """A folder of weights; those of `stage` when empty."""
    temperature: float = Field(default=0.5, ge=0)
    """That of its training. At 1 it makes more mistakes; at 0 the likeliest token is taken."""
    max_tokens: int = Field(default=400, ge=1)
    """The most tokens of an answer. A ranking of 20 candidates takes a third of them."""
    constrained: Literal["tags", "json", False] = "tags"
    """See `local`. A training sets it to False."""
    max_batch: int = Field(default=128, ge=1)
    """The most answers in one batch. A model of this size is slower with smaller batches."""

    @model_validator(mode="before")
    @classmethod
    def _weights_that_ship(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("model"):
            stage = values.get("stage", cls.model_fields["stage"].default)
            return {**values, "model": str(HERE / str(stage))}
        return values

    @property
    def opens_when_asked(self) -> bool:
        """Whether these are weights that ship: a run whose agent asks nothing never reads them."""
        return Path(self.model).parent == HERE

    @property
    def _llm_type(self) -> str:
        return "nano"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # The folder of the package decides no answer; the stage does.
        shown = super()._identifying_params
        return {**shown, "model": self.stage} if self.opens_when_asked else shown
