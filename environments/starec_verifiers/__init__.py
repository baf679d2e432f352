r"""Simulated users as a taskset of verifiers 0.4: the model under training answers as the user.

    vf-eval starec-verifiers --env.taskset.experiment experiments/01_quickstart \
        --env.agent.runtime.type subprocess

verifiers finds a taskset by the name of a module at the top level, so this package has its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import verifiers.v1 as vf  # pyright: ignore[reportMissingImports]
from openai import AsyncOpenAI
from pydantic import Field

from starec_sim.interop.verifiers_questions import (
    AnswerReward,
    QuestionSource,
    UserQuestions,
    questions_of,
)

__all__ = ["AskOnceHarness", "UserTaskset", "load_environment"]

ID = "starec-verifiers"


class UserTaskConfig(vf.TaskConfig):
    """How answers are rewarded."""

    weights: dict[str, float] = Field(default={})
    """The weight of each reward component, as in `train.grpo.rewards`; when empty, 1 for `tier`
    where a ranking is asked for, else 1 for `satisfaction`."""


class UserTasksetConfig(vf.TasksetConfig):
    """Which users are asked."""

    id: vf.ID = ID
    experiment: str = ""
    """A YAML file, or a folder with a config.yaml."""
    changes: list[str] = Field(default=[])
    """Changes of the experiment, as `--set` takes them."""
    users: int | None = None
    """How many users are asked; all who visit in the first round when empty."""
    seeds: list[int] = Field(default=[0])
    """Each seed asks every user once, about other candidates."""
    task: UserTaskConfig = UserTaskConfig()


class UserTaskData(vf.TaskData):
    """One question."""

    source: tuple[str, tuple[str, ...], int]
    user: str
    """The id of the user."""

    @property
    def questions(self) -> UserQuestions:
        """The questions of the same experiment and seed."""
        return questions_of(QuestionSource(*self.source))


class UserTask(vf.Task[UserTaskData, vf.State, UserTaskConfig]):
    """A question to a user, and the reward of the answer."""

    @vf.reward
    async def simulation(self, trace: vf.Trace) -> Mapping[str, float]:
        """Return the components of the reward, each times its weight."""
        weights = self.config.weights
        earned = self._earned(trace)
        return {name: value * weights.get(name, 1.0) for name, value in earned.components.items()}

    @vf.metric
    async def form(self, trace: vf.Trace) -> Mapping[str, float]:
        """Return counters of what policies are known to exploit."""
        return self._earned(trace).counters

    def _earned(self, trace: vf.Trace) -> AnswerReward:
        questions: UserQuestions = self.data.questions
        return questions.reward(self.data.user, trace.last_reply, self.config.weights)


class UserTaskset(vf.Taskset[UserTask, UserTasksetConfig]):
    """The first questions of the users of an experiment."""

    def load(self) -> Iterable[UserTask]:
        """Yield a task for each seed and user."""
        config = self.config
        if not config.experiment:
            raise ValueError("name the experiment: --env.taskset.experiment PATH")
        for seed in config.seeds:
            source = QuestionSource(config.experiment, tuple(config.changes), seed)
            questions = questions_of(source)
            for user in questions.users[: config.users]:
                messages = questions.messages(user)
                data = UserTaskData(
                    id=f"{user}/{seed}",
                    source=source,
                    user=user,
                    prompt=[_message(role, text) for role, text in messages],
                )
                yield UserTask(data, config.task)


class AskOnceConfig(vf.HarnessConfig):
    """Settings of the harness."""

    id: vf.ID = ID


class AskOnceHarness(vf.Harness[AskOnceConfig]):
    """Asks the model once, with the prompt as it is: no tools, and no program in a sandbox."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Ask; verifiers records what goes through `endpoint`."""
        system, prompt = self.resolve_prompt(data)
        asked = (
            [{"role": "user", "content": prompt}]
            if isinstance(prompt, str)
            else [message.model_dump(mode="json", exclude_none=True) for message in prompt or []]
        )
        if system is not None:
            asked = [{"role": "system", "content": system}, *asked]
        async with AsyncOpenAI(base_url=endpoint, api_key=secret, max_retries=0) as client:
            await client.chat.completions.create(model=ctx.model, messages=asked)  # type: ignore[arg-type]
        return vf.ProgramResult(0, "", "")


def load_environment(
    experiment: str,
    *,
    changes: Sequence[str] = (),
    users: int | None = None,
    seeds: Sequence[int] = (0,),
    rewards: Mapping[str, float] | None = None,
) -> vf.SingleAgentEnv:
    """Return an environment of verifiers that asks in this process.

    Args:
        experiment: A YAML file, or a folder with a config.yaml.
        changes: As `--set` takes them.
        users: How many users are asked; all who visit in the first round when None.
        seeds: Each seed asks every user once, about other candidates.
        rewards: The weight of each reward component.
    """
    taskset = UserTasksetConfig(
        experiment=experiment,
        changes=list(changes),
        users=users,
        seeds=list(seeds),
        task=UserTaskConfig(weights=dict(rewards or {})),
    )
    agent = vf.AgentConfig(harness=AskOnceConfig(), runtime=vf.SubprocessConfig(), max_turns=1)
    return vf.SingleAgentEnv(vf.SingleAgentEnvConfig(taskset=taskset, agent=agent))


def _message(role: str, text: str) -> vf.Message:
    kinds = {
        "system": vf.SystemMessage,
        "user": vf.UserMessage,
        "assistant": vf.AssistantMessage,
    }
    return kinds[role](content=text)
