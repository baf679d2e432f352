"""The key `train` of an experiment: the settings of a training, with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field, model_validator

from starec_sim import plugins
from starec_sim.build import build_policy
from starec_sim.environment import NamedRewards, OneTask
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.evaluation.audits.registry import NAMES as AUDITS
from starec_sim.experiment import Experiment
from starec_sim.learning.advantages import Objective
from starec_sim.learning.keys_of_runs import check_has_training, check_keys_of_runs
from starec_sim.learning.learner import Optimisation
from starec_sim.learning.models import Lora, Method
from starec_sim.learning.pairs import PairSettings
from starec_sim.learning.rewards import DEFAULT_REWARDS, Rewards, check_names
from starec_sim.learning.rollouts import Groups
from starec_sim.plugins import Spec
from starec_sim.policies.abilities import NamedWeights, check_price
from starec_sim.policies.engine.protocol import Precision
from starec_sim.settings import Settings, validate
from starec_sim.tasks import FEED, RANKING
from starec_sim.types import Node

Share = Annotated[float, Field(ge=0, lt=1)]


class Sft(Settings):
    """Stage 1: imitate the answers of a teacher that pass the screening."""

    teacher: Spec = Field(default={"use": "lexical"})
    """Any policy; it gets the same prompts as the policy that learns."""
    samples: Path | None = None
    """A file of samples instead of a teacher: JSON lines with `messages` ((role, text) pairs) and
    `answer`."""
    users: int = Field(default=100, ge=1)
    rounds: int = Field(default=3, ge=1)
    """How many users the teacher plays, and for how many rounds."""
    nodes: tuple[Node, ...] = ("fast", "slow")
    min_ndcg: float = Field(default=0.0, ge=0, le=1)
    """A ranking with a lower NDCG is rejected."""
    rethink: int = Field(default=1, ge=0)
    """How often the teacher is asked again; the question says what is wrong with its answer."""
    keywords: tuple[str, ...] = ("liked",)
    """A summary must contain one of these words; any will do if empty."""
    epochs: int = Field(default=1, ge=1)
    batch: int = Field(default=32, ge=1)
    """Samples in an update."""
    optimisation: Optimisation = Optimisation(lr=1e-4)


class FromFeedback(Settings):
    """Stage 2: play groups of answers, and improve the policy by what they earn."""

    name: ClassVar[str]
    strength: ClassVar[str]
    """The setting that holds the policy to its reference, for messages."""

    steps: int = Field(default=100, ge=1)
    """Rounds played and learned from."""
    users: int = Field(default=64, ge=1)
    """Training users who visit in a round; other ones in each episode."""
    rounds: int = Field(default=5, ge=1)
    """Rounds of an episode; then a new one begins, with other users and another seed."""
    groups: Groups = "branch"
    size: int = Field(default=8, ge=2)
    """Answers in a group (the paper's 8)."""
    nodes: tuple[Node, ...] = ("fast", "slow")
    rewards: dict[str, float] = Field(default=DEFAULT_REWARDS, min_length=1)
    """The reward of an answer: components by name or reference, with their weights."""
    passes: int = Field(default=1, ge=1)
    """How often each rollout is learned from."""
    batch: int | None = Field(default=None, ge=1)
    """Groups in an update; all of the round if empty."""
    optimisation: Optimisation = Optimisation()


class Grpo(FromFeedback):
    """Stage 2 by Group Relative Policy Optimisation."""

    name = "grpo"
    strength = "train.grpo.objective.kl"

    objective: Objective = Objective()


class Dpo(FromFeedback, PairSettings):
    """Stage 2 by Direct Preference Optimisation: pairs of answers of a group."""

    name = "dpo"
    strength = "train.dpo.beta"

    beta: float = Field(default=0.1, gt=0)
    """How strongly the policy is held to its reference."""


class Validation(Settings):
    """How the policy is validated with users it is never trained on."""

    every: int = Field(default=10, ge=1)
    """Steps between validations; one comes before the first step and one after the last."""
    share: Share = 0.2
    """The share of all users who are held out."""
    users: int = Field(default=50, ge=0)
    """How many of them visit in a validation; 0 for none."""
    rounds: int = Field(default=2, ge=1)
    temperature: float | None = 0.0
    """The temperature of the policy in a validation; its own if empty."""
    audits: tuple[str, ...] = ()
    """Audits of the policy after each validation, by name: the fidelity curve."""
    audit_users: int = Field(default=24, ge=2)
    """How many of the held-out users they ask about."""


class Guards(Settings):
    """When a training stops because more steps would make the policy worse."""

    kl: float = Field(default=5.0, gt=0)
    """The largest KL divergence from the reference policy, in nats per token."""
    distinct: float = Field(default=0.02, ge=0, le=1)
    """The smallest share of the answers of a step that must differ; 0 if all may be equal."""
    patience: int = Field(default=20, ge=1)
    """Steps in a row from which nothing could be learned, because all groups were equal."""


class Training(Settings):
    """A training of the policy that plays `policies.fast`."""

    model: str | None = None
    """The weights that learn; those of `policies.fast` if empty. Needed if a server plays."""
    method: Method = "lora"
    lora: Lora = Lora()
    dtype: Precision = "auto"
    batch_tokens: int = Field(default=8192, ge=64)
    """Token ids in one forward pass, padding included; limited by memory."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: slower by a third, less memory."""
    chat_template_kwargs: dict[str, bool | str | int] | None = None
    """Values for the chat template in SFT; those of the policy if None."""
    sft: Sft | None = None
    """Stage 1; none when empty."""
    grpo: Grpo | None = Grpo()
    """Stage 2; none when empty, or when there is `dpo`."""
    dpo: Dpo | None = None
    """Stage 2 by another method."""
    evaluate: Validation = Validation()
    guards: Guards = Guards()
    checkpoint_every: int = Field(default=5, ge=1)
    """Steps (of either stage) between checkpoints."""

    @model_validator(mode="before")
    @classmethod
    def _one_method(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("dpo") is not None:
            if values.get("grpo") is not None:
                raise ValueError("there are both grpo and dpo; stage 2 is one of them")
            return {**values, "grpo": None}
        return values

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.sft is None and self.stage2 is None:
            raise ValueError("there is none of sft, grpo and dpo, so nothing would be learned")
        return self

    @property
    def stage2(self) -> FromFeedback | None:
        """The stage that learns from feedback; None if there is none."""
        return self.grpo or self.dpo


_CHANGE_SAMPLING = (
    "top_k",
    "min_p",
    "logit_bias",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "structured_outputs",
    "response_format",
)
"""Request parameters that change the probabilities of tokens; the learner does not know of it."""


def training_of(experiment: Experiment) -> Training:
    """Return the training of an experiment, checked against the policy that plays.

    Raises:
        ConfigError: A key is wrong, or the policy cannot be trained as it is set.
    """
    check_has_training(experiment)
    training = validate(Training, experiment.train or {}, "train")
    check_keys_of_runs(experiment)
    weights_of(experiment, training)
    _check_audits(experiment, training.evaluate)
    if training.sft is not None and training.sft.samples is None:
        check_price(training.sft.teacher, "train.sft.teacher", experiment.budget)
    if training.stage2 is not None:
        _check_nodes(experiment, training.stage2)
        _check_sampling(experiment.policies.fast)
        if training.grpo is not None:
            _check_credit(experiment, training.grpo)
        environment = _environment_class(experiment)
        # An empty list is the default of `World`: the names are not declared.
        named = environment.reward_names if isinstance(environment, NamedRewards) else ()
        check_names(training.stage2.rewards, named or None, f"train.{training.stage2.name}.rewards")
        _check_pages(experiment, training.stage2)
        _check_request(experiment.policies.fast)
    return training


def rewards_of(training: Training, people: tuple[float, ...]) -> Rewards:
    """Return the rewards of a training; without stage 2 there are none.

    Args:
        training: The settings.
        people: The shares of one to five stars in the data; empty if it has none.

    Raises:
        StarecError: A component cannot be loaded.
    """
    stage = training.stage2
    return Rewards(stage.rewards, f"train.{stage.name}.rewards", people) if stage else Rewards({})


def _check_audits(experiment: Experiment, evaluate: Validation) -> None:
    """Check that the audits exist, that they are made at all, and that there is data for them."""
    for name in evaluate.audits:
        if name not in AUDITS:
            raise ConfigError(
                f'train.evaluate.audits: no audit is called "{name}"; {did_you_mean(name, AUDITS)}',
                hint=f"there are {', '.join(AUDITS)}",
            )
    if evaluate.audits and not evaluate.users:
        raise ConfigError(
            "train.evaluate.audits: they follow a validation, and train.evaluate.users is 0",
            hint="set train.evaluate.users to 1 or more, or train.evaluate.audits to []",
        )
    if evaluate.audits and experiment.data is None:
        raise ConfigError(
            f"train.evaluate.audits: {experiment.environment['use']} brings its own users, and "
            "audits ask about those of a dataset",
            hint="set train.evaluate.audits to []",
        )


def _check_nodes(experiment: Experiment, stage: FromFeedback) -> None:
    """Check that the policy that learns gives all answers that are learned from."""
    if "slow" in stage.nodes and experiment.policies.slow != experiment.policies.fast:
        raise ConfigError(
            f"train.{stage.name}.nodes: slow answers are learned from only if the same policy "
            "gives them, and policies.slow differs from policies.fast",
            hint=f"make them equal, or set train.{stage.name}.nodes to [fast]",
        )


def _check_sampling(fast: Mapping[str, Any]) -> None:
    """Check that the policy samples from its whole distribution, at a known temperature."""
    for key, wanted in (("top_p", 1.0), ("temperature", None)):
        value = setting(fast, key, 1.0)
        if value is None:
            raise ConfigError(
                f"policies.fast.{key} is left to the server, and what learns must know it",
                hint=f"set policies.fast.{key} to 1",
            )
        if (wanted is not None and value != wanted) or value == 0:
            raise ConfigError(
                f"policies.fast.{key}: {value} leaves nothing to explore, or not what is "
                "learned from; a policy in training samples from all of its distribution",
                hint=f"set policies.fast.{key} to 1",
            )


def _check_credit(experiment: Experiment, grpo: Grpo) -> None:
    """Check that credit by position is used with single rankings only."""
    if grpo.objective.credit == "position" and (
        grpo.groups == "episode" or not _asks_for_rankings(experiment)
    ):
        raise ConfigError(
            "train.grpo.objective.credit: position needs single rankings, one answer each",
            hint="set train.grpo.groups to branch, in an environment whose class declares the "
            "task ranking, as `ranking` does; or set credit to rollout",
        )


def _check_pages(experiment: Experiment, stage: FromFeedback) -> None:
    """Check that there are pages to rate where ratings are rewarded."""
    environment = _environment_class(experiment)
    other_task = isinstance(environment, OneTask) and environment.task not in (FEED, FEED.name)
    if "ratings_like_people" in stage.rewards and other_task:
        raise ConfigError(
            f"train.{stage.name}.rewards.ratings_like_people: nothing is rated with stars in the "
            f"environment {experiment.environment['use']}",
            hint="leave it out, or train in `feed`",
        )


def _check_request(fast: Mapping[str, Any]) -> None:
    """Check that no parameter of the request changes what the server samples from."""
    if fast.get("constrained"):
        raise ConfigError(
            f"policies.fast.constrained: {fast['constrained']} changes what the policy samples "
            "from, and what learns does not know of it",
            hint="take it out: a training plays without it, and the trained weights play with it",
        )
    changing = [key for key in _CHANGE_SAMPLING if key in (fast.get("extra_body") or {})]
    if changing or fast.get("structured"):
        key = f"extra_body.{changing[0]}" if changing else "structured"
        raise ConfigError(
            f"policies.fast.{key}: changes what the server samples from, and what learns does not "
            "know of it",
            hint="take it out; answers in tags are read as strictly",
        )


def _asks_for_rankings(experiment: Experiment) -> bool:
    environment = _environment_class(experiment)
    return isinstance(environment, OneTask) and environment.task in (RANKING, RANKING.name)


def _environment_class(experiment: Experiment) -> object:
    return plugins.load("environments", experiment.environment["use"], "environment.use")


def setting(spec: Mapping[str, Any], key: str, otherwise: Any) -> Any:
    """Return a setting of a policy: from its spec, else its default, else `otherwise`."""
    policy = plugins.load("policies", spec["use"])
    is_model = isinstance(policy, type) and issubclass(policy, BaseModel)
    field = policy.model_fields.get(key) if is_model else None
    return spec.get(key, otherwise if field is None else field.default)


def template_of(experiment: Experiment, training: Training) -> Mapping[str, Any]:
    """Return the values for the chat template: those of the training, else of the policy."""
    fast = experiment.policies.fast
    if training.chat_template_kwargs is not None:
        return training.chat_template_kwargs
    # `local` has it as a setting, a server as a parameter of the request.
    settings = {**(fast.get("extra_body") or {}), **fast}
    values: Mapping[str, Any] | None = settings.get("chat_template_kwargs")
    return values or {}


def weights_of(experiment: Experiment, training: Training) -> str:
    """Return the model whose weights learn: that of the training, else the one that plays.

    Raises:
        ConfigError: The policy that plays has no weights.
    """
    fast = experiment.policies.fast
    named = training.model or fast.get("model")
    if named is None:
        # `nano` has weights without naming them in the spec.
        model = build_policy(fast, "policies.fast").model
        named = model.model if isinstance(model, NamedWeights) else None
    if not isinstance(named, str):
        raise ConfigError(
            f"policies.fast: {fast['use']} has no model whose weights could learn",
            hint="e.g. policies: {fast: nano, slow: nano}, or {use: local, model: "
            "Qwen/Qwen2.5-0.5B-Instruct} for both",
        )
    return named
