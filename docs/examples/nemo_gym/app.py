"""A resource server of NeMo Gym: answers of simulated users, rewarded as in `starec train`.

Its questions, one row a user and seed:  python app.py EXPERIMENT USERS [CHANGE ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from fastapi import HTTPException
from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)
from pydantic import Field

from starec_sim.errors import ConfigError
from starec_sim.interop.verifiers_questions import QuestionSource, questions_of


class UsersConfig(BaseResourcesServerConfig):
    """The keys of the server in a configuration of NeMo Gym."""

    experiment: str
    changes: list[str] = Field(default_factory=list)
    rewards: dict[str, float] = Field(default_factory=dict)


class UsersRequest(BaseVerifyRequest):
    """An answer, with whose it is: both stand in the row that was asked."""

    user: str
    seed: int = 0


class UsersResponse(BaseVerifyResponse):
    """What the answer earns: the weighted sum, its components, and counters such as `malformed`."""

    user: str
    seed: int
    components: dict[str, float]
    counters: dict[str, float]


class UsersServer(SimpleResourcesServer):
    """Rewards first answers of the users of an experiment. It keeps nothing between two calls."""

    config: UsersConfig

    async def verify(self, body: UsersRequest) -> UsersResponse:
        """Return what an answer earns."""
        source = QuestionSource(self.config.experiment, tuple(self.config.changes), body.seed)
        text = body.response.output_text
        try:
            earned = questions_of(source).reward(body.user, text, self.config.rewards)
        except ConfigError as error:  # the row is not one of this experiment
            raise HTTPException(422, error.message) from error
        return UsersResponse(
            **body.model_dump(),
            reward=earned.total,
            components=dict(earned.components),
            counters=dict(earned.counters),
        )


def rows(source: QuestionSource, users: int) -> Iterator[dict[str, Any]]:
    """Yield the questions to the first users, in the form of NeMo Gym's data."""
    questions = questions_of(source)
    for user in questions.users[:users]:
        asked = [{"role": role, "content": text} for role, text in questions.messages(user)]
        yield {
            "responses_create_params": {"input": asked},
            "user": user,
            "seed": source.seed,
        }


if __name__ == "__main__":
    if len(sys.argv) > 2:
        experiment, users, *changes = sys.argv[1:]
        for row in rows(QuestionSource(experiment, tuple(changes)), int(users)):
            print(json.dumps(row))
    else:
        UsersServer.run_webserver()
