"""Plan a run of many more users than the experiment has, from a dry run with a few of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim import plugins
from starec_sim.boundary.memory_growth import resident_bytes
from starec_sim.dry_run import TrialCosts, dry_run
from starec_sim.errors import ConfigError
from starec_sim.experiment import Experiment
from starec_sim.types import NODES
from starec_sim.workers.start import answered_in_workers

KIB_ALONE, KIB_PARENT, KIB_WORKER = (6.6, 1.5), (7.9, 3.3), (6.2, 1.9)
"""Memory at the peak of a round, in KiB for each user and each visit so far: of a process without
workers, of one with them, and of a worker. A visit stays in the log and the checkpoint of the
environment, and workers share the latter. Measured with a feed by `benchmarks/scale_population.py`
(docs/performance.md); levels of the record and cohorts make no difference."""
H200 = (16_000.0, 35_000.0)
"""Tokens of answers of `nano` that one H200 made in a second (docs/performance.md)."""
CARDS = (1, 2, 4, 8, 16)
"""Numbers of graphics cards for which the time is told."""
FEW_BYTES = 1 << 15
"""Bytes of eight pages of a record. What a dry run adds is measured in pages."""
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Numbers of workers for which the time is told."""


class CardSpeed(NamedTuple):
    """How fast one graphics card answers, in tokens of answers a second."""

    least: float
    most: float
    origin: str
    """Where the figures are from."""


class ScalePlan(NamedTuple):
    """What a run of `users` users takes."""

    users: int
    executor: str
    visits: float
    calls: float
    tokens_in: float
    tokens_out: float
    usd: float | None
    """None if a policy has no price."""
    visits_s: float
    """CPU time of visits, which workers share."""
    waiting_s: float
    """Wall time in which answers of models are waited for, with the experiment's concurrency."""
    shared_waiting: bool
    """Whether each worker asks its own models, so that workers share the waiting, too."""
    one_process_s: float
    """CPU time of what one process does: environment, metrics, record."""
    record_bytes: float
    parent_bytes: float
    """Memory of the process that is started, at the peak of a round."""
    worker_bytes: float
    """Memory of a worker, which holds dataset and environment; 0 without workers."""
    warnings: tuple[str, ...]
    """What the machine on which this was measured has too little of, and what is not known."""
    measured_users: int
    """Users of the experiment."""
    measured_visits: int
    """Visits of the dry run."""
    on_cards: bool
    """Whether models of this run answer on graphics cards."""
    card: CardSpeed | None
    """How fast one card answers; None if that is not known, or some answers are made elsewhere."""
    all_on_cards: bool
    """Whether all answers of the run are made on graphics cards."""

    def card_seconds(self, cards: int) -> tuple[float, float] | None:
        """Return the least and the most wall time in which so many cards make all answers.

        It is without the Python of the visits, which cores share meanwhile.
        """
        if self.card is None:
            return None
        speeds = (self.card.most, self.card.least)
        least, most = (self.tokens_out / (cards * speed) for speed in speeds)
        return least, most

    def seconds(self, workers: int) -> float:
        """Return the wall time with so many workers, each on a core as fast as the measured one."""
        if self.shared_waiting:
            return self.one_process_s + max(self.visits_s, self.waiting_s) / workers
        return self.one_process_s + max(self.visits_s / workers, self.waiting_s)

    def times(self) -> dict[int, float]:
        """Return the wall time by number of workers; one process without workers."""
        workers = WORKERS if self.worker_bytes else (1,)
        return {count: self.seconds(count) for count in workers}

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        seconds = {str(workers): seconds for workers, seconds in self.times().items()}
        card = self.card._asdict() if self.card else None
        values = {**self._asdict(), "card": card, "seconds_by_workers": seconds}
        by_cards = {str(cards): self.card_seconds(cards) for cards in CARDS}
        return {**values, "seconds_by_cards": by_cards if self.card else None}


def plan_scale(
    experiment: Experiment,
    users: int,
    play: int = 64,
    rounds: int = 3,
    tokens_per_second: float | None = None,
) -> ScalePlan:
    """Plan the experiment with another number of users, with the executor that it names.

    Everything is assumed to grow in proportion to the users. The policies of the experiment are
    asked in the dry run.

    Args:
        experiment: The experiment; its own users are those of the dry run.
        users: How many users are planned for.
        play: Visitors that are played in each round.
        rounds: Rounds that are played.
        tokens_per_second: Tokens of answers that one graphics card makes in a second, if known.

    Raises:
        ConfigError: A speed of cards is given, and not all answers are made on one.
        StarecError: A part cannot be built, or a policy does not answer.
    """
    uses, all_on_cards = _on_cards(experiment)
    if tokens_per_second is not None and not all_on_cards:
        some = "some answers of this plan are made elsewhere" if uses else "no model answers on one"
        has_cards = experiment.executor.use == "ray" and experiment.executor.gpus
        raise ConfigError(
            f"--tokens-per-second {tokens_per_second:g} is the speed of a graphics card, and "
            f"{some}",
            hint="take a policy such as nano or local for both nodes, and no calibration"
            if has_cards
            else "--executor ray --set executor.gpus=1, with a policy such as nano or local",
        )
    measured = dry_run(experiment, play, rounds, users)
    times = users / measured.users
    costs = TrialCosts(*(measured.total() * experiment.replicates * times).tolist())
    per_visit = measured.record_bytes / measured.visits if measured.visits else 0.0
    record_bytes = per_visit * costs.visits
    has_workers = experiment.executor.has_workers
    here = resident_bytes()
    # The trials of a run are played one after the other.
    visits_of_trial = times * max(each.visits for each in measured.trials)

    def memory(kib: tuple[float, float]) -> float:
        return here + 1024 * (kib[0] * users + kib[1] * visits_of_trial)

    parent_bytes = memory(KIB_PARENT if has_workers else KIB_ALONE)
    worker_bytes = memory(KIB_WORKER) if has_workers else 0.0
    return ScalePlan(
        users,
        experiment.executor.use,
        costs.visits,
        costs.calls,
        costs.tokens_in,
        costs.tokens_out,
        None if measured.unpriced else costs.usd,
        costs.visits_s,
        costs.waiting_s,
        has_workers and _answers_in_workers(experiment),
        costs.overhead_s,
        record_bytes,
        parent_bytes,
        worker_bytes,
        _warnings(experiment, record_bytes, parent_bytes)
        + measured.few_visits(play)
        + _coarse(measured.record_bytes, play),
        measured.users,
        measured.visits,
        bool(uses),
        _card_speed(uses, tokens_per_second) if all_on_cards else None,
        all_on_cards,
    )


def _on_cards(experiment: Experiment) -> tuple[set[str], bool]:
    """Return which policies answer on the cards of workers, and whether they make all answers.

    Second visits of a calibration are asked in the process of the run.
    """
    if experiment.executor.use != "ray" or not experiment.executor.gpus:
        return set(), False
    in_workers, found = set(), set()
    for arm in experiment.resolve().values():
        kinds = arm.kinds or {"": arm}
        for kind, nodes in answered_in_workers(arm, replays=False).items():
            for node in nodes:
                use = getattr(kinds[kind].experiment.policies, node)["use"]
                in_workers.add(use)
                policy = plugins.load("policies", use, f"policies.{node}.use")
                if "device" in getattr(policy, "model_fields", {}):
                    found.add(use)
    in_process = experiment.calibration is not None or not _answers_in_workers(experiment)
    return found, found == in_workers and not in_process


def _card_speed(uses: set[str], given: float | None) -> CardSpeed | None:
    """Return the speed of a card with these policies, if it is given or was measured."""
    if given is not None:
        return CardSpeed(given, given, "given")
    if uses == {"nano"}:
        return CardSpeed(*H200, "measured on one H200, docs/performance.md")
    return None


def _answers_in_workers(experiment: Experiment) -> bool:
    """Return whether all policies answer in the workers."""
    return all(
        len(nodes) == len(NODES)
        for arm in experiment.resolve().values()
        for nodes in answered_in_workers(arm, replays=False).values()
    )


def _warnings(experiment: Experiment, record_bytes: float, parent_bytes: float) -> tuple[str, ...]:
    """Return what of this machine is too small."""
    found = []
    free = shutil.disk_usage(_existing(experiment.runs_dir)).free
    if record_bytes > free:
        less = {"everything": ", or record: decisions", "decisions": ", or record: metrics"}
        found.append(
            f"the record needs {bytes_text(record_bytes)}, and {experiment.runs_dir} has "
            f"{bytes_text(free)} free: set runs_dir to a larger disk"
            + less.get(experiment.record, "")
        )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if parent_bytes > memory:
        found.append(
            f"one process needs {bytes_text(parent_bytes)} of memory, and this machine has "
            f"{bytes_text(memory)}: start the run on a larger one, or with fewer users"
        )
    return tuple(found)


def _coarse(added_bytes: float, play: int) -> tuple[str, ...]:
    """Return that a dry run added too little to a record for its size to be planned."""
    if added_bytes >= FEW_BYTES:
        return ()
    return (
        f"the dry run added {bytes_text(added_bytes)} to the record, which grows by pages of "
        f"4 KiB, so the bytes of the record are not known: play more users, --play {8 * play}",
    )


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())


def bytes_text(n_bytes: float) -> str:
    """Return a number of bytes with its unit: `1.3 GiB`."""
    units: Sequence[str] = ("KiB", "MiB", "GiB", "TiB")
    value = n_bytes / 1024
    for unit in units[:-1]:
        if value < 1000:
            return f"{value:.2g} {unit}" if value < 10 else f"{value:,.0f} {unit}"
        value /= 1024
    return f"{value:,.1f} {units[-1]}"
