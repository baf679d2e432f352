"""From an experiment to results: build the trials, run them, keep the books."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from starec_sim.errors import RunError, StarecError
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment, recorded
from starec_sim.policies.settings import Budget
from starec_sim.report import Report, summarise
from starec_sim.runs import estimates
from starec_sim.runs import folder as run_folder
from starec_sim.runs.ledger import Ledger, read_ledger
from starec_sim.runs.session import Session
from starec_sim.runs.store import FILE, Store, read_only, told
from starec_sim.settings import validate
from starec_sim.trials import Trials


class Result(NamedTuple):
    """What a finished run leaves."""

    folder: Path
    digest: str
    """The same for the same experiment, seed, data and versions, however it was executed."""
    report: Report
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


def start(experiment: Experiment, events: RunEvents) -> Result:
    """Run an experiment in a new folder.

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
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    run_folder.put_file(folder / run_folder.CONFIG, text)
    manifest = {
        "name": experiment.name,
        "status": "running",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seeds": trials.seeds,
        "arms": list(trials.arms),
        "prompts": trials.prompts(),
        "folder": str(Path.cwd()),
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "budget": experiment.budget.model_dump(exclude_none=True),
        **run_folder.surroundings(),
    }
    if expected := estimates.found(experiment.model_dump(mode="json"), experiment.runs_dir):
        manifest["estimate"] = expected
    if trials.replayed:
        recording = run_folder.read(trials.replayed)
        manifest["replay_of"] = {"run": trials.replayed.name, "digest": recording.get("digest")}
    run_folder.write(folder, manifest)
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
    manifest, experiment = run_folder.read(folder), recorded(folder)
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
    manifest = run_folder.read(folder)
    again = (
        f"start a new run with the changed configuration: starec run {folder / run_folder.CONFIG}"
    )
    values = yaml.safe_load(run_folder.unchanged(folder, manifest, hint=again))
    if concurrency is not None:
        values["concurrency"] = concurrency
    values["budget"] = {**manifest.get("budget", {}), **(budget or {})}
    experiment = validate(Experiment, values, "")
    if manifest["status"] == "finished":
        return _result(folder, experiment, manifest)
    with run_folder.where_it_started(folder, manifest) as here:
        trials = Trials(experiment)
        _same_as_before(trials, manifest)
        manifest["budget"] = experiment.budget.model_dump(exclude_none=True)
        return _run(here, trials, manifest, events)


def _same_as_before(trials: Trials, manifest: dict[str, Any]) -> None:
    """Refuse to go on with other prompts or another version than the run began with."""
    now = {"prompts": trials.prompts(), "version": version("starec-sim")}
    before = {
        "prompts": manifest["prompts"],
        "version": manifest["versions"].get("starec-sim"),
    }
    for what, value in now.items():
        if value != before[what]:
            raise RunError(
                f"the {what} changed since the run began; one run cannot mix both",
                hint="put back what it began with, or start a new run",
            )


def _run(folder: Path, trials: Trials, manifest: dict[str, Any], events: RunEvents) -> Result:
    with run_folder.locked(folder):
        manifest |= {"status": "running"}
        for key in ("problem", "go_on"):
            manifest.pop(key, None)
        run_folder.write(folder, manifest)
        store = Store(folder, trials.builder.phrases())
        session = Session(store)
        try:
            with run_folder.ending_noted(manifest):
                with _calm_collector():
                    digest = asyncio.run(trials.run(folder, store, session, events))
                manifest |= {
                    "status": "finished",
                    "digest": digest,
                    "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                    "counts": _counts(store),
                }
        finally:
            with contextlib.suppress(RunError):  # what went wrong is already on its way up
                session.close()
            store.close()
            run_folder.write(folder, manifest)
    return _result(folder, trials.experiment, manifest)


def _result(folder: Path, experiment: Experiment, manifest: Mapping[str, Any]) -> Result:
    report = summarise(folder, experiment.report.last_rounds, experiment.report.metrics)
    with contextlib.closing(read_only(folder)) as db, told(folder / FILE):
        ledger = read_ledger(db)
        (seconds,) = db.execute("SELECT TOTAL(seconds) FROM sessions").fetchone()
    replayed = manifest.get("replay_of", {}).get("digest")
    estimate = manifest.get("estimate")
    return Result(folder, manifest["digest"], report, ledger, replayed, estimate, seconds)


def _counts(store: Store) -> dict[str, int]:
    """Return how much of everything the record holds."""
    counts = {
        table: store.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        for table in ("rounds", "visits", "steps", "turns", "texts")
    }
    tokens = store.db.execute("SELECT SUM(tokens_in), SUM(tokens_out) FROM turns").fetchone()
    return {**counts, "tokens_in": tokens[0] or 0, "tokens_out": tokens[1] or 0}


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
