"""Create, open and close the folder of a run.

Runs, evaluations, audits and trainings are all created, locked, resumed and finished here:

    folder = create_run(runs_dir, manifest, config, seed)
    with open_run(folder, ...) as run:
        run.begin()
        ...                                  # play, and write into run.store
        run.manifest.digest = ...

If a run ends early, what was committed stays, and its manifest says why it ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from starec_sim.errors import RunError, StarecError
from starec_sim.executors.drain import drains_at_sigterm
from starec_sim.policies.gateway import GatewayResources
from starec_sim.policies.settings import Budget, GatewaySettings
from starec_sim.runs import folder as run_folder
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.levels import RecordLevel
from starec_sim.runs.lock import locked
from starec_sim.runs.manifest import Manifest, ending_noted, stored_manifest, write_manifest
from starec_sim.runs.schema import FILE
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store


@dataclass
class OpenRun:
    """A run that this process has locked, with its record open."""

    folder: Path
    manifest: Manifest
    """Written when the run ends, with or without an error."""
    store: Store
    session: Session
    resources: GatewayResources
    """What all calls of models share: connections, rate limits, cache, budget."""
    begun: bool = False

    def begin(self) -> None:
        """Mark the run as begun: all parts are built, and an error does not remove the folder."""
        self.begun = True


def create_run(
    runs_dir: Path,
    manifest: Manifest,
    config: str,
    seed: int,
    write: Callable[[Path], None] = lambda folder: None,
) -> Path:
    """Create the folder of a new run, with its configuration and its manifest.

    The files are written under a temporary name, and one rename makes the folder a run. A process
    that is killed before leaves nothing that looks like a run (decision 42).

    Args:
        runs_dir: Where it is created.
        manifest: From `new_manifest`.
        config: The text of `config.yaml`; empty for none.
        seed: Part of the folder's name.
        write: Writes what else the folder must hold from its beginning.

    Raises:
        RunError: The folder cannot be written.
    """
    with run_folder.starting(runs_dir) as part:
        if config:
            write_atomically(part / run_folder.CONFIG, config)
        write(part)
        manifest.sign_settings(part)
        write_manifest(part, manifest)
        return run_folder.place(part, manifest.name, seed)


@contextlib.contextmanager
def open_run(
    folder: Path,
    *,
    phrases: Iterable[str] = (),
    gateway: GatewaySettings | None = None,
    budget: Budget | None = None,
    level: RecordLevel = "everything",
) -> Iterator[OpenRun]:
    """Lock a run, new or resumed, open its record, and write into its manifest how it ended.

    The status is "running" inside the block and "finished" after it, unless an exception ends the
    block. After SIGTERM it is `draining()`: what takes long asks that before it begins, as pools
    and simulations do, and pauses. The folder of a new run is removed if its parts cannot be built
    (a `StarecError` before `begin`).

    Args:
        folder: Of the run.
        phrases: Texts that prompts repeat, to compress a new record with.
        gateway: How models are asked.
        budget: What the run may spend in total; None is no limit.
        level: How much of a new run is recorded.

    Raises:
        RunError: Another process works on the run, or its record cannot be used.
    """
    budget = budget or Budget()
    with locked(folder), drains_at_sigterm():
        is_new, manifest = not (folder / FILE).exists(), stored_manifest(folder)
        manifest.run_again()
        manifest.budget = budget.model_dump(exclude_none=True)
        write_manifest(folder, manifest)
        store = Store(folder, phrases, level)
        session = Session(store)
        run = None
        try:
            with ending_noted(manifest), contextlib.ExitStack() as opened:
                resources = GatewayResources(
                    gateway or GatewaySettings(), budget, session.spent_before
                )
                opened.callback(resources.close)
                session.spent = resources.spent
                run = OpenRun(folder, manifest, store, session, resources)
                yield run
                session.close()
                manifest.finish()
                write_manifest(folder, manifest)  # without room for it, the run is not finished
        except StarecError:
            if is_new and (run is None or not run.begun):  # nothing is recorded to go on from
                store.close()
                run_folder.discard(folder)
            raise
        finally:
            if folder.exists():
                _close(folder, manifest, store, session)


def _close(folder: Path, manifest: Manifest, store: Store, session: Session) -> None:
    """Close the record; of a run that is not finished, write what was spent and the manifest.

    Errors are dropped, because they would hide an earlier one.
    """
    finished = manifest.status == "finished"  # then both are written
    if not finished:
        with contextlib.suppress(RunError):
            session.close()
    store.close()
    if not finished:
        with contextlib.suppress(OSError):
            write_manifest(folder, manifest)


def check_same_code(manifest: Manifest, prompts: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse to resume with another version or other prompts than the run began with.

    Raises:
        RunError: The version or the prompts changed; the message says which.
    """
    began, now = manifest.versions.get("starec-sim"), version("starec-sim")
    if began != now:
        raise RunError(
            f"the {manifest.kind} began with starec-sim {began}, this is {now}; results of two "
            "versions cannot be mixed",
            hint="install that version, or start a new one",
        )
    if manifest.prompts and manifest.prompts != prompts:
        raise RunError(
            f"the prompts changed since the {manifest.kind} began; one {manifest.kind} cannot mix "
            "both",
            hint="put back what it began with, or start a new one",
        )
