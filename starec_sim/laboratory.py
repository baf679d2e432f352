"""From an experiment to results: build the trials, run them, keep the books."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim import yaml_files
from starec_sim.errors import RunError, StarecError
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment, recorded
from starec_sim.policies.settings import Budget
from starec_sim.report import RunReport, summarise
from starec_sim.runs import estimates, queries
from starec_sim.runs import folder as run_folder
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.ledger import Ledger, read_ledger
from starec_sim.runs.lock import locked
from starec_sim.runs.manifest import (
    Kind,
    Manifest,
    ReplayOf,
    ending_noted,
    new_manifest,
    read_manifest,
    write_manifest,
)
from starec_sim.runs.reader import reading
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.settings import validate
from starec_sim.trials import Trials


class Result(NamedTuple):
    """What a finished run leaves."""

    folder: Path
    digest: str
    """The same for the same experiment, seed, data and versions, however it was executed."""
    report: RunReport
    ledger: Ledger
    replayed: str | None = None
    """The digest of the recording, if this is the replay of a finished run."""
    estimate: Mapping[str, Any] | None = None
    """What `starec estimate` told beforehand, if it was asked."""
    seconds: float = 0.0
    """Of wall time, over all processes."""

    def compared(self) -> dict[str, tuple[float, float]]:
        """Return what was estimated and what was taken, by name."""
        told = self.estimate or {}
        taken = {name: self.ledger.total(name) for name in ("calls", "tokens_in", "tokens_out")}
        taken |= {"usd": self.ledger.total("cost_usd"), "seconds": self.seconds}
        return {
            name: (told[name], value) for name, value in taken.items() if told.get(name) is not None
        }

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "run": str(self.folder),
            "status": "finished",
            "digest": self.digest,
            **({"replayed": self.replayed} if self.replayed else {}),
            "ledger": self.ledger.as_json(),
            **({"estimate": self.compared()} if self.estimate else {}),
            **self.report.as_json(),
        }


def start(experiment: Experiment, events: RunEvents, kind: Kind = "run") -> Result:
    """Run an experiment in a new folder.

    Args:
        experiment: What to run.
        events: Told what happens.
        kind: What the folder is: a run, or the agents' part of an evaluation.

    Raises:
        PausedError: The run stopped itself; what was committed stays and can be resumed.
        StarecError: What went wrong; the same holds.
        KeyboardInterrupt: The user stopped it; the same holds.
    """
    trials = Trials(experiment)
    if trials.replayed:
        # Its path, because "latest" will soon be this run.
        replay = {"replay": str(trials.replayed.resolve())}
        experiment = experiment.model_copy(
            update={"gateway": experiment.gateway.model_copy(update=replay)}
        )
    folder = run_folder.create(experiment.runs_dir, experiment.name, experiment.seed)
    text = yaml_files.dump(experiment.model_dump(mode="json"))
    write_atomically(folder / run_folder.CONFIG, text)
    manifest = new_manifest(
        kind,
        experiment.name,
        trials.seeds,
        text,
        arms=list(trials.arms),
        prompts=trials.prompts(),
        budget=experiment.budget.model_dump(exclude_none=True),
    )
    manifest.estimate = estimates.found(experiment.model_dump(mode="json"), experiment.runs_dir)
    if trials.replayed:
        recording = read_manifest(trials.replayed)
        manifest.replay_of = ReplayOf(run=trials.replayed.name, digest=recording.digest)
    write_manifest(folder, manifest)
    try:
        return _run(folder, trials, manifest, events)
    except StarecError:
        if not trials.begun:  # nothing happened yet: there is nothing to keep or to resume
            shutil.rmtree(folder)
        raise


def replay(folder: Path, events: RunEvents) -> Result:
    """Run what a recorded run ran, with its answers and without any model, in a new folder.

    Raises:
        PausedError: A question is asked that was not recorded.
        StarecError: Something else is not as it was.
    """
    manifest, experiment = read_manifest(folder), recorded(folder)
    with run_folder.where_it_started(folder, manifest) as here:
        settings = experiment.gateway.model_copy(update={"replay": str(here), "cache": None})
        changes = {"gateway": settings, "runs_dir": here.parent, "budget": Budget()}
        return start(experiment.model_copy(update=changes), events)


def resume(
    folder: Path,
    events: RunEvents,
    *,
    concurrency: int | None = None,
    budget: Mapping[str, float | None] | None = None,
) -> Result:
    """Go on with a run from its last committed point; a finished one is returned as it is.

    Args:
        folder: The run.
        events: Is told what happens.
        concurrency: Visits in flight, if it should change.
        budget: Keys of the budget that change, from now on; None is no limit.

    Raises:
        PausedError: It stopped itself once more.
        RunError: The run is in progress, damaged, or was made with other code.
        StarecError: What went wrong while it went on.
    """
    manifest = read_manifest(folder)
    again = (
        f"start a new run with the changed configuration: starec run {folder / run_folder.CONFIG}"
    )
    text = run_folder.unchanged(folder, manifest, hint=again)
    values = yaml_files.parse(text, str(folder / run_folder.CONFIG))
    if concurrency is not None:
        values["concurrency"] = concurrency
    values["budget"] = {**manifest.budget, **(budget or {})}
    experiment = validate(Experiment, values, "", recorded=True)
    if manifest.status == "finished":
        return _result(folder, experiment, manifest)
    with run_folder.where_it_started(folder, manifest) as here:
        trials = Trials(experiment)
        _same_as_before(trials, manifest)
        manifest.budget = experiment.budget.model_dump(exclude_none=True)
        return _run(here, trials, manifest, events)


def _same_as_before(trials: Trials, manifest: Manifest) -> None:
    """Refuse to go on with other prompts or another version than the run began with."""
    now = {"prompts": trials.prompts(), "version": version("starec-sim")}
    before = {
        "prompts": manifest.prompts,
        "version": manifest.versions.get("starec-sim"),
    }
    for what, value in now.items():
        if value != before[what]:
            raise RunError(
                f"the {what} changed since the run began; one run cannot mix both",
                hint="put back what it began with, or start a new run",
            )


def _run(folder: Path, trials: Trials, manifest: Manifest, events: RunEvents) -> Result:
    with locked(folder):
        manifest.run_again()
        write_manifest(folder, manifest)
        store = Store(folder, trials.builder.phrases())
        session = Session(store)
        try:
            with ending_noted(manifest):
                with _calm_collector():
                    digest = asyncio.run(trials.run(folder, store, session, events))
                manifest.digest, manifest.counts = digest, queries.counts(store.db)
                manifest.finish()
        finally:
            with contextlib.suppress(RunError):  # what went wrong is already on its way up
                session.close()
            store.close()
            write_manifest(folder, manifest)
    return _result(folder, trials.experiment, manifest)


def _result(folder: Path, experiment: Experiment, manifest: Manifest) -> Result:
    report = summarise(folder, experiment.report.last_rounds, experiment.report.metrics)
    with reading(folder) as reader:
        ledger, seconds = read_ledger(reader.db), queries.wall_seconds(reader.db)
    replayed = manifest.replay_of.digest if manifest.replay_of else None
    digest = manifest.digest or ""  # a finished run has one
    return Result(folder, digest, report, ledger, replayed, manifest.estimate, seconds)


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Keep the garbage collector from walking the whole world at every visit.

    With hundreds of visits in flight its default threshold costs 40 % of the run (measured).
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
