"""Which workers a run has, and which policies answer in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from starec_sim.errors import ConfigError
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.experiment import Arm, Experiment
from starec_sim.plugin_code import PluginCode
from starec_sim.policies.abilities import costs_nothing
from starec_sim.policies.settings import split_spec
from starec_sim.types import NODES, Node
from starec_sim.workers.executor import IN_HAND
from starec_sim.workers.messages import Setup
from starec_sim.workers.pool import WorkerPool
from starec_sim.workers.processes import Processes
from starec_sim.workers.transport import Transport


def answered_in_workers(arm: Arm, *, replays: bool) -> dict[str, tuple[Node, ...]]:
    """Return the nodes whose policy answers in the workers (decision 100), by kind of users.

    The one kind of an arm without kinds is called "".

    A policy that costs nothing does, where nothing has to be counted or shared: without a budget,
    limits, a cache or a replay. All others are asked in the parent.

    Args:
        arm: Of the run.
        replays: Whether recorded answers are given.
    """
    kinds = arm.kinds or {"": arm}
    return {kind: _answered(each.experiment, replays) for kind, each in kinds.items()}


def _answered(experiment: Experiment, replays: bool) -> tuple[Node, ...]:
    budget = experiment.budget.model_dump(exclude_none=True)
    if replays or budget or experiment.gateway.cache is not None:
        return ()
    here: list[Node] = []
    for node in NODES:
        spec = getattr(experiment.policies, node)
        inner, terms = split_spec(spec, f"policies.{node}")
        has_limits = bool(terms.limits.model_dump(exclude_none=True))
        if not has_limits and costs_nothing(inner, f"policies.{node}"):
            here.append(node)
    return tuple(here)


def worker_pool(
    experiment: Experiment,
    arms: Iterable[Arm],
    plugins: Sequence[PluginCode] | None,
    *,
    replays: bool,
) -> WorkerPool | None:
    """Return the workers of a run, which are not started yet; None if it has none.

    Args:
        experiment: The configuration.
        arms: Its arms, as they are after each change.
        plugins: The code of others that the run uses; None if it is unknown.
        replays: Whether all answers are recorded ones.

    Raises:
        ConfigError: The executor cannot be used.
    """
    settings = experiment.executor
    if not settings.has_workers:
        return None
    if experiment.tracing:
        raise ConfigError(
            f"tracing: on, but with executor: {settings.use} visits are played in other processes, "
            "which are not traced",
            hint="set executor: per_user to trace a run",
        )
    transport = _transport(settings, experiment.concurrency)
    policies = []
    for arm in arms:
        for each in arm.of_kinds():
            for node in _answered(each.experiment, replays):
                policies.append((dict(each.experiment.policies)[node], f"policies.{node}"))
    setup = Setup(
        experiment.model_dump(mode="json"),
        None if plugins is None else tuple(plugins),
        tuple(policies),
        max(1, experiment.concurrency // (IN_HAND * transport.workers())),
    )
    return WorkerPool(transport, setup)


def _transport(settings: ExecutorSettings, concurrency: int) -> Transport:
    if settings.use == "ray":
        from starec_sim.workers.ray_cluster import RayCluster

        return RayCluster(settings)
    workers = settings.workers or cores()
    return Processes(min(workers, concurrency))


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
