"""Measure platform actions per CPU second of CAMEL-OASIS without a model, for `user_steps.py`.

Agents with scripted actions only (`ManualAction`) sign up, refresh their feed and like posts on the
Reddit-like platform. The model is a stub that is never called.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import oasis
from camel.models import ModelFactory
from camel.types import ModelPlatformType
from oasis import ActionType, AgentGraph, ManualAction, SocialAgent, UserInfo

AGENTS, ROUNDS = 100, 4


async def main() -> None:
    model = ModelFactory.create(
        model_platform=ModelPlatformType.OPENAI_COMPATIBLE_MODEL,
        model_type="stub",
        url="http://127.0.0.1:9/v1",
        api_key="none",
    )
    graph = AgentGraph()
    for number in range(AGENTS):
        info = UserInfo(
            user_name=f"u{number}",
            name=f"u{number}",
            description="",
            profile=None,
            recsys_type="reddit",
        )
        graph.add_agent(
            SocialAgent(agent_id=number, user_info=info, agent_graph=graph, model=model)
        )
    with tempfile.TemporaryDirectory() as folder:
        env = oasis.make(
            agent_graph=graph,
            platform=oasis.DefaultPlatformType.REDDIT,
            database_path=str(Path(folder) / "oasis.db"),
        )
        await env.reset()
        agents = [agent for _, agent in env.agent_graph.get_agents()]
        post = ManualAction(action_type=ActionType.CREATE_POST, action_args={"content": "hello"})
        await env.step(dict.fromkeys(agents, post))
        start, actions = time.process_time(), 0
        for number in range(ROUNDS):
            refresh = ManualAction(action_type=ActionType.REFRESH, action_args={})
            await env.step(dict.fromkeys(agents, refresh))
            like = ManualAction(
                action_type=ActionType.LIKE_POST, action_args={"post_id": number + 1}
            )
            await env.step(dict.fromkeys(agents, like))
            actions += 2 * len(agents)
        print("actions per CPU second:", actions / (time.process_time() - start))
        await env.close()


if __name__ == "__main__":
    asyncio.run(main())
