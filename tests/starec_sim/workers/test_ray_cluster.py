"""What is said to Ray, and what an actor does: without a cluster, and without Ray."""

import asyncio
import gc
import sys
import threading
from types import SimpleNamespace

import pytest
from langsmith.run_helpers import get_tracing_context

from starec_sim.boundary import watch
from starec_sim.errors import RunError
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.workers import compact, ray_cluster
from starec_sim.workers.messages import Drain


@pytest.mark.parametrize("method", ["itself", "in a task"])
def test_an_actor_plays_under_the_conditions_of_a_run(monkeypatch, method):
    found = {}

    class Worker:
        def __init__(self, send):
            pass

        def repeat_warnings(self):
            pass

        async def receive(self, message):
            if method == "in a task":
                await asyncio.create_task(self.play())
            else:
                await self.play()

        async def play(self):
            found["traced"] = get_tracing_context()["enabled"]
            found["threshold"] = gc.get_threshold()[0]
            found["watched"] = watch._watching

    async def play():
        actor = ray_cluster.WorkerActor("no folder")
        # Ray calls each method in a task of its own.
        await asyncio.create_task(actor.ready())
        await asyncio.create_task(actor.receive(compact.dumps(Drain()), None))
        actor._playing.close()

    monkeypatch.setattr(ray_cluster, "Worker", Worker)
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    asyncio.run(play())
    assert found == {"traced": False, "threshold": 100_000, "watched": True}


class Ray(SimpleNamespace):
    """Stands in for the module, in a cluster of these resources."""

    def __init__(self, **resources):
        super().__init__(exceptions=SimpleNamespace(RayError=OSError), began=[])
        self.resources = resources

    def is_initialized(self):
        return bool(self.began)

    def init(self, address, **options):
        self.began.append(address)

    def cluster_resources(self):
        return self.resources


@pytest.fixture
def cluster(monkeypatch):
    def cluster(ray, **settings):
        monkeypatch.setitem(sys.modules, "ray", ray)
        return ray_cluster.RayCluster(ExecutorSettings(use="ray", **settings))

    return cluster


@pytest.mark.parametrize("address", ["local", "auto"])
def test_ray_is_given_the_word_that_starts_a_cluster_here(cluster, address):
    ray = Ray()
    cluster(ray, address=address)
    assert ray.began == [address]


def test_an_address_beside_a_cluster_that_is_joined_already_is_named(cluster):
    ray = Ray()
    ray.init("ray://other:10001")
    with pytest.warns(UserWarning, match=r"executor\.address: local is not used"):
        cluster(ray, address="local")
    assert ray.began == ["ray://other:10001"]


@pytest.mark.parametrize(
    ("cards", "settings", "workers"),
    [
        (1, {}, 16),
        (1, {"gpus": 1}, 1),
        (2, {"gpus": 0.25}, 8),
        (2, {"gpus": 0.4}, 4),
        (8, {"gpus": 0.25}, 16),
        (1, {"gpus": 1, "workers": 3}, 3),
    ],
)
def test_there_are_no_more_workers_than_cores_and_cards_have_room_for(
    cluster, cards, settings, workers
):
    assert cluster(Ray(CPU=16.0, GPU=float(cards)), **settings).workers() == workers


def test_a_cluster_without_a_card_has_one_worker_whose_start_says_what_is_missing(cluster):
    assert cluster(Ray(CPU=16.0), gpus=1).workers() == 1


def test_a_cluster_that_does_not_answer_is_named_with_what_to_do_about_tokens(monkeypatch):
    ended = threading.Event()
    fake = Ray()
    monkeypatch.setattr(fake, "init", lambda **options: ended.wait(30), raising=False)
    monkeypatch.setattr(ray_cluster, "_ray", lambda: fake)
    monkeypatch.setattr(ray_cluster, "_INIT_S", 0.01)
    with pytest.raises(RunError, match=r"address: auto: Ray did not connect") as error:
        ray_cluster.RayCluster(ExecutorSettings(use="ray"))
    ended.set()
    assert "RAY_AUTH_MODE=token" in error.value.hint
