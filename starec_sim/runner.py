"""Run, resume, replay or step through an experiment: every arm with every seed, or one trial."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, PausedError, RunError
from starec_sim.events import RunEvents
from starec_sim.executors.collection import rare_garbage_collection
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.executors.tracing import check_tracing, tracing
from starec_sim.experiment import Experiment, recorded_experiment
from starec_sim.plugin_code import noted_code
from starec_sim.policies.settings import Budget
from starec_sim.report import RunReport
from starec_sim.runs import estimates, queries
from starec_sim.runs import folder as run_folder
from starec_sim.runs.code import SAME_CODE, CodeRules, reopened
from starec_sim.runs.ledger import Ledger, read_ledger
from starec_sim.runs.lifecycle import OpenRun, check_same_code, create_run, open_run
from starec_sim.runs.manifest import ForkOf, Manifest, ReplayOf, new_manifest, read_manifest
from starec_sim.runs.reader import reading
from starec_sim.settings import validate
from starec_sim.simulation import Simulation
from starec_sim.stored_summary import run_summary
from starec_sim.trials import Trials, run_digest
from starec_sim.workers.start import cores


class RunResult(NamedTuple):
    """A finished run."""

    folder: Path
    digest: str
    """The same for the same experiment, seed, data and versions, also after a resume.

    Neither concurrency nor executor matters, but with a local model on a graphics card, or one that
    transformers generates for: there sums are rounded by the size of the batch, which seldom
    changes an answer.
    """
    report: RunReport
    ledger: Ledger
    replayed: str | None = None
    """For the replay of a finished run, the digest of that run; else None."""
    estimate: Mapping[str, Any] | None = None
    """The latest estimate of this configuration (`starec estimate`); None without one."""
    seconds: float = 0.0
    """Wall time of all processes."""

    def compared(self) -> dict[str, tuple[float, float]]:
        """Return (estimated, actual) calls, tokens, USD and seconds, by name."""
        estimated = self.estimate or {}
        actual = {name: self.ledger.total(name) for name in ("calls", "tokens_in", "tokens_out")}
        actual |= {"usd": self.ledger.total("cost_usd"), "seconds": self.seconds}
        return {
            name: (estimated[name], value)
            for name, value in actual.items()
            if estimated.get(name) is not None
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


def run(experiment: Experiment, events: RunEvents | None = None) -> RunResult:
    """Run an experiment in a new folder.

    Args:
        experiment: The configuration.
        events: Is called at each event of the run.

    Raises:
        PausedError: The run paused itself. As after any error, it can be resumed.
        StarecError: Anything else went wrong.
        KeyboardInterrupt: The user stopped the run.
    """
    return _run(*_create(experiment, events), events)


@asynccontextmanager
async def open_simulation(
    experiment: Experiment,
    events: RunEvents | None = None,
    *,
    arm: str | None = None,
    seed: int | None = None,
) -> AsyncIterator[tuple[Path, Simulation]]:
    """Open one trial of an experiment in a new folder, to play it round by round.

        async with open_simulation(experiment) as (folder, simulation):
            played = await simulation.play_round()
            simulation.commit(played)

    A committed round is stored as in a run. When all rounds of the experiment are committed, the
    run is finished at the end of the block; otherwise it is paused, and `resume(folder)` goes on.

    Args:
        experiment: The configuration.
        events: Is called at each event of the run.
        arm: Which arm is played; needed if there are several.
        seed: The seed of the trial; that of the experiment when None.

    Yields:
        The folder of the run, and its simulation.

    Raises:
        ConfigError: There is no such arm, or a schedule changes parts of it during the run.
        StarecError: Anything else went wrong, also inside the block.
    """
    experiment, events = _one_trial(experiment, arm, seed), events or RunEvents()
    folder, trials = _create(experiment, events)
    with suppress(_LeftEarlyError), tracing(experiment.tracing), _opened(folder, trials) as opened:
        async with trials.first_simulation(opened, events) as simulation:
            simulation.last_round = experiment.rounds
            yield folder, simulation
        if simulation.rounds < experiment.rounds:
            done = f"{simulation.rounds} of {experiment.rounds} rounds"
            raise _LeftEarlyError(f"{done} are committed", reason="stopped")
        _note_end(opened, run_digest([simulation.digest]))


class _LeftEarlyError(PausedError):
    """The block of a simulation ended before its last round."""


def _one_trial(experiment: Experiment, arm: str | None, seed: int | None) -> Experiment:
    """Return an experiment whose only trial is that of an arm and a seed.

    Raises:
        ConfigError: There is no such arm, or a schedule changes parts of it during the run.
    """
    names = list(experiment.arms) or ["main"]
    if arm is None and len(names) == 1:
        arm = names[0]
    if arm not in names:
        said = "needs `arm`" if arm is None else f'has no arm "{arm}"'
        raise ConfigError(
            f"the experiment {experiment.name} {said}; its arms are {', '.join(names)}",
            hint=f"e.g. open_simulation(experiment, arm={names[0]!r})",
        )
    values: dict[str, Any] = {"replicates": 1}
    if seed is not None:
        values["seed"] = seed
    if experiment.arms:
        values["arms"] = {arm: experiment.arms[arm]}
    # Not `model_copy`, which takes any seed.
    one = validate(Experiment, {**experiment.model_dump(mode="json"), **values}, "", recorded=True)
    if one.gateway.replay_rounds is not None or one.resolve()[arm].changes:
        raise ConfigError(
            f'arm "{arm}" changes during the run, and a simulation keeps its parts',
            hint="leave out `schedule` and `gateway.replay_rounds`, or call `run`",
        )
    return one


def _create(experiment: Experiment, events: RunEvents | None) -> tuple[Path, Trials]:
    """Build the parts of an experiment, and create the folder of its run."""
    with noted_code() as used:
        trials = Trials(experiment)
    if trials.replayed:
        # Store the path, because `latest` will name this new run.
        replayed = {"replay": str(trials.replayed.resolve())}
        gateway = experiment.gateway.model_copy(update=replayed)
        experiment = experiment.model_copy(update={"gateway": gateway})
    config = config_text(experiment)
    manifest = new_manifest(
        "run",
        experiment.name,
        trials.seeds,
        config,
        arms=list(trials.arms),
        prompts=trials.prompts(),
        budget=experiment.budget.model_dump(exclude_none=True),
        plugins=used,
    )
    manifest.estimate = estimates.read(experiment.model_dump(mode="json"), experiment.runs_dir)
    if trials.replayed:
        digest, name = read_manifest(trials.replayed).digest, trials.replayed.name
        rounds = experiment.gateway.replay_rounds
        if rounds is None:
            manifest.replay_of = ReplayOf(run=name, digest=digest)
        else:
            manifest.fork_of = ForkOf(run=name, digest=digest, round=rounds)
    announce(experiment, events)
    folder = create_run(experiment.runs_dir, manifest, config, experiment.seed)
    return folder, trials


def replay(
    folder: Path,
    events: RunEvents | None = None,
    code: CodeRules = SAME_CODE,
    *,
    runs_dir: Path | None = None,
) -> RunResult:
    """Run the experiment of a recorded run again, in a new folder, with the recorded answers.

    No model is asked.

    Args:
        folder: The folder of the recorded run.
        events: Is called at each event of the run.
        code: Which code of plug-ins may run.
        runs_dir: Where the new folder is written; beside the recorded run when None.

    Raises:
        PausedError: A question is asked that is not recorded.
        RunError: The folder is an audit, or its code is not allowed.
        StarecError: Anything else went wrong.
    """
    manifest = read_manifest(folder)
    if manifest.kind == "audit":
        raise RunError(
            f"{folder} is an audit, which has no experiment to replay",
            hint="`starec resume` shows its report again; the same audit asks with the same seeds",
        )
    experiment = recorded_experiment(folder)
    place = (runs_dir or folder.resolve().parent).resolve()  # the working directory changes
    with reopened(folder, manifest, code, noted=False) as here:
        gateway = experiment.gateway.model_copy(update={"replay": str(here), "cache": None})
        changes = {"gateway": gateway, "runs_dir": place, "budget": Budget()}
        changes["tracing"] = False  # no model is asked, so there is nothing to trace
        return run(experiment.model_copy(update=changes), events)


def resume(
    folder: Path,
    events: RunEvents | None = None,
    *,
    concurrency: int | None = None,
    executor: str | None = None,
    budget: Mapping[str, float | None] | None = None,
    code: CodeRules = SAME_CODE,
) -> RunResult:
    """Continue a run from its last committed round. The result of a finished run is read.

    Args:
        folder: The folder of the run.
        events: Is called at each event of the run.
        concurrency: Visits in progress at once, if it should change.
        executor: What plays the visits, if it should change.
        budget: Keys of the budget that change; None is no limit.
        code: Which code of plug-ins may run.

    Raises:
        PausedError: It paused itself again.
        RunError: The run is in progress, damaged, or was made with other code.
        StarecError: Anything else went wrong.
    """
    manifest = read_manifest(folder)
    experiment = resumed_experiment(
        folder, manifest, concurrency=concurrency, executor=executor, budget=budget
    )
    if manifest.status == "finished":
        return _result(folder, experiment, manifest)
    with reopened(folder, manifest, code) as here:
        trials = Trials(experiment)
        check_same_code(manifest, trials.prompts())
        announce(experiment, events)
        return _run(here, trials, events)


def resumed_experiment(
    folder: Path,
    manifest: Manifest,
    *,
    concurrency: int | None = None,
    executor: str | None = None,
    budget: Mapping[str, float | None] | None = None,
) -> Experiment:
    """Return the experiment of a recorded run, with the budget and concurrency of a resume.

    Raises:
        RunError: `config.yaml` was changed, or is damaged.
        ConfigError: A changed key has a wrong value.
    """
    command = "train" if manifest.kind == "training" else "run"
    again = (
        f"start a new {manifest.kind} with the changed configuration: "
        f"starec {command} {folder / run_folder.CONFIG}"
    )
    run_folder.unchanged(folder, manifest, hint=again)
    changes: dict[str, Any] = {
        "budget": validate(Budget, {**manifest.budget, **(budget or {})}, "budget")
    }
    if concurrency is not None:
        changes["concurrency"] = concurrency
    recorded = recorded_experiment(folder)
    if executor is not None:
        changes["executor"] = _executor(recorded, executor)
    return recorded.model_copy(update=changes)


def _executor(recorded: Experiment, executor: str) -> ExecutorSettings:
    """Return the settings of a run with another executor."""
    settings = {**recorded.executor.model_dump(), "use": executor}
    try:
        return validate(ExecutorSettings, settings, "executor")
    except ConfigError as error:
        raise ConfigError(error.message, hint=f"mend --executor {executor}") from None


def play_trials(open_run: OpenRun, trials: Trials, events: RunEvents | None = None) -> None:
    """Play all trials of an open run, and set digest and counts in its manifest."""
    played = trials.play(open_run, events or RunEvents())
    with rare_garbage_collection():
        digest = run_coroutine(played, traced=trials.experiment.tracing)
    _note_end(open_run, digest)


def _note_end(open_run: OpenRun, digest: str) -> None:
    open_run.manifest.digest, open_run.manifest.counts = digest, queries.counts(open_run.store.db)


def announce(experiment: Experiment, events: RunEvents | None) -> None:
    """Tell the user which settings of the executor are not used, and where prompts are sent.

    Raises:
        ConfigError: The server cannot be used.
    """
    events = events or RunEvents()
    for note in experiment.executor.notes(cores()):
        events.message(f"note: {note}")
    announce_tracing(experiment, events)


def announce_tracing(experiment: Experiment, events: RunEvents | None) -> None:
    """Tell the user where prompts are sent, if the experiment is traced.

    Raises:
        ConfigError: The server cannot be used.
    """
    if experiment.tracing:
        (events or RunEvents()).message(check_tracing())


def config_text(experiment: Experiment) -> str:
    """Return the text of `config.yaml` for an experiment."""
    return yaml_files.dump(experiment.model_dump(mode="json"))


def _run(folder: Path, trials: Trials, events: RunEvents | None) -> RunResult:
    with _opened(folder, trials) as opened:
        play_trials(opened, trials, events)
    return _result(folder, trials.experiment, opened.manifest)


def _opened(folder: Path, trials: Trials) -> AbstractContextManager[OpenRun]:
    experiment = trials.experiment
    return open_run(
        folder,
        phrases=trials.builder.phrases(),
        gateway=experiment.gateway,
        budget=experiment.budget,
        level=experiment.record,
    )


def _result(folder: Path, experiment: Experiment, manifest: Manifest) -> RunResult:
    report = run_summary(folder, experiment.report.last_rounds, experiment.report.metrics).report
    with reading(folder) as reader:
        ledger, seconds = read_ledger(reader.db), queries.wall_seconds(reader.db)
    replayed = manifest.replay_of.digest if manifest.replay_of else None
    digest = manifest.digest or ""  # a finished run has one
    return RunResult(folder, digest, report, ledger, replayed, manifest.estimate, seconds)
