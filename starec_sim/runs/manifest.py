"""The manifest of a run: its kind, its versions, seeds and arms, and its status.

Every folder of a run, an evaluation, a training or an audit has one file `manifest.json`. It says
which of the four the folder is (`kind`) and the version of its format (`schema_version`). A
manifest of an older version is migrated when it is read; one of a newer version is refused.
Unknown fields are kept and written back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from starec_sim.errors import PausedError, RunError
from starec_sim.json_nesting import parse_json
from starec_sim.plugin_code import PluginCode
from starec_sim.runs import origin
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.lock import is_locked
from starec_sim.runs.provenance import Provenance, provenance
from starec_sim.runs.record_errors import damaged
from starec_sim.runs.regular_file import read_text, reason
from starec_sim.settings import explain

MANIFEST = "manifest.json"
SCHEMA_VERSION = 3
"""Version of the manifests that are written. Version 1 is that of starec-sim 0.1.0, 2 of 0.2.0."""

_MAX_BYTES = 4 << 20
_MAX_DEPTH = 20
Seed = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
"""A seed, as SQLite can store it."""
RunKind = Literal["run", "evaluation", "training", "audit"]
Status = Literal["running", "interrupted", "paused", "failed", "finished"]


EstimateValues = dict[str, int | float | list[str] | None]
"""Calls, tokens, dollars and seconds by name, as `starec estimate` says them."""


def _is_time(text: str) -> str:
    try:
        datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("must be a time in ISO 8601") from None
    return text


Time = Annotated[str, AfterValidator(_is_time)]
"""A time in ISO 8601."""


class ReplayOf(BaseModel):
    """The recorded run that a run replays."""

    run: str
    """The name of its folder."""
    digest: str | None = None
    """Its digest; None while it is unfinished."""


class ForkOf(BaseModel):
    """The recorded run that a run has its first rounds from."""

    run: str
    """The name of its folder."""
    digest: str | None = None
    """Its digest; None while it is unfinished."""
    round: int
    """The last round that is the same, from 1."""


class Manifest(Provenance):
    """The contents of `manifest.json`. Every assignment to a field is validated."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)

    schema_version: int = SCHEMA_VERSION
    kind: RunKind
    name: str
    """The name in the configuration."""
    status: Status
    started: Time
    seeds: list[Seed]
    arms: list[str]
    """Names of the arms; in an evaluation, of its agents."""
    prompts: dict[str, dict[str, str]] = Field(default={})
    """SHA-256 of each prompt template, by arm and name."""
    folder: str = ""
    """The folder in which the command was given: relative paths of the configuration start here."""
    config_sha256: str
    """SHA-256 of `config.yaml`; empty where there is none."""
    settings_sha256: dict[str, str] = Field(default={})
    """SHA-256 of other files of settings that the run began with, by name: `audit.yaml`."""
    plugins: list[PluginCode] | None = None
    """The code of plug-ins that the run began with; None for runs of 0.2.0 and before."""
    changed_code: list[str] | None = None
    """What was changed in that code while the run was paused or failed, and allowed by the user."""
    made_here: str | None = None
    """The signature of a key of this user and machine, see `starec_sim.runs.origin`."""
    budget: dict[str, int | float] = Field(default={})
    """What the run may spend, by key; what is not named has no limit."""
    estimate: EstimateValues | None = None
    """What `starec estimate` said of this configuration."""
    replay_of: ReplayOf | None = None
    fork_of: ForkOf | None = None
    problem: str | None = None
    """Why it paused or failed."""
    go_on: str | None = Field(default=None, pattern=r"^[\w.= -]*$")
    """Options that `starec resume` needs after a pause, e.g. `--budget calls=2000`."""
    finished: Time | None = None
    digest: str | None = None
    """Digest of a finished run."""
    counts: dict[str, Annotated[int, Field(ge=0)]] | None = None
    """How many rounds, visits, steps, turns, texts and tokens a finished run recorded."""
    version: str | None = None
    """The last weights of a finished training, as a path from `folder`."""
    table: str | None = None
    """Digest of the table of a finished evaluation."""

    @property
    def is_made_here(self) -> bool:
        """Whether this user made the run on this machine."""
        return origin.is_signed(self._signed(), self.made_here)

    def sign(self) -> None:
        """Sign what says which code the run uses."""
        self.made_here = origin.signature(self._signed())

    def sign_settings(self, folder: Path) -> None:
        """Take the files of settings in a new folder into what is signed."""
        self.settings_sha256 = {
            path.name: sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.glob("*.yaml"))
            if path.name != "config.yaml"
        }
        self.sign()

    def _signed(self) -> dict[str, Any]:
        names = {"kind", "name", "started", "seeds", "folder", "config_sha256", "plugins"}
        return self.model_dump(mode="json", include={*names, "settings_sha256"})

    def run_again(self) -> None:
        """Set the status to running and clear the problem of an earlier process."""
        self.status, self.problem, self.go_on = "running", None, None

    def finish(self) -> None:
        """Set the status to finished, and the time at which it finished."""
        self.status, self.finished = "finished", _now()

    def as_json(self) -> dict[str, Any]:
        """Return the manifest as JSON values; fields without a value are left out."""
        return self.model_dump(mode="json", exclude_none=True)


def new_manifest(
    kind: RunKind,
    name: str,
    seeds: Sequence[int],
    config: str = "",
    *,
    arms: Sequence[str] = (),
    prompts: Mapping[str, Mapping[str, str]] | None = None,
    budget: Mapping[str, float] | None = None,
    plugins: Mapping[str, PluginCode] | None = None,
) -> Manifest:
    """Return the manifest of a run that begins now, in this working directory.

    Args:
        kind: What the folder will hold.
        name: The name in the configuration.
        seeds: The seeds that are run.
        config: The text of `config.yaml`; empty if there is none.
        arms: Names of the arms.
        prompts: SHA-256 of each prompt template, by arm and name.
        budget: What it may spend.
        plugins: The code of plug-ins that it uses, by reference.
    """
    manifest = Manifest(
        kind=kind,
        name=name,
        status="running",
        started=_now(),
        seeds=list(seeds),
        arms=list(arms),
        prompts={arm: dict(hashes) for arm, hashes in (prompts or {}).items()},
        folder=str(Path.cwd()),
        config_sha256=sha256(config.encode()).hexdigest() if config else "",
        budget=dict(budget or {}),
        plugins=[code for _, code in sorted((plugins or {}).items())],
        **dict(provenance()),
    )
    manifest.sign()
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a run.

    A process that is killed leaves the status "running". Without a process that holds the run's
    lock, the status is returned as "interrupted".

    Raises:
        RunError: There is no manifest, it is damaged, or a newer version wrote it.
    """
    manifest = stored_manifest(folder)
    if manifest.status == "running" and not is_locked(folder):
        manifest.status = "interrupted"
    return manifest


def stored_manifest(folder: Path) -> Manifest:
    """Return the manifest as it is stored, its status uncorrected.

    Raises:
        RunError: There is no manifest, it is damaged, or a newer version wrote it.
    """
    path = folder / MANIFEST
    try:
        values = parse_json(read_text(path, _MAX_BYTES), _MAX_DEPTH)
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, reason(error)) from error
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if not isinstance(values, dict):
        raise damaged(path, "it holds no keys")
    values = _migrated(values, path)
    required = (name for name, field in Manifest.model_fields.items() if field.is_required())
    if missing := [name for name in required if name not in values]:
        raise damaged(path, f"it lacks {', '.join(missing)}")
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        raise damaged(path, explain(error, Manifest, "").message.replace("\n", "; ")) from error


def check_version(folder: Path) -> None:
    """Check that no newer version of starec-sim wrote a run; its record may mean something else.

    A manifest that is missing or damaged is let pass: the record beside it can still be read.

    Raises:
        RunError: A newer version wrote it.
    """
    path = folder / MANIFEST
    try:
        values = parse_json(read_text(path, _MAX_BYTES), _MAX_DEPTH)
    except (OSError, ValueError):
        return
    stored = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(stored, int) and stored > SCHEMA_VERSION:
        raise _newer(path, values)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically: a reader sees the old one or the new one."""
    text = json.dumps(manifest.as_json(), indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / MANIFEST, text)


@contextmanager
def ending_noted(manifest: Manifest) -> Iterator[None]:
    """Set status, problem and options of a manifest when an error ends the run."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C, outside or inside of a task
        manifest.status = "paused"
        raise
    except PausedError as error:
        manifest.status, manifest.problem = "paused", error.message
        manifest.go_on = error.options or None
        raise
    except BaseException as error:
        manifest.status, manifest.problem = "failed", f"{type(error).__name__}: {error}"
        raise


def _migrated(values: dict[str, Any], path: Path) -> dict[str, Any]:
    stored = values.get("schema_version", 1)
    if isinstance(stored, bool) or not isinstance(stored, int) or stored < 1:
        raise damaged(path, f"schema_version: must be a whole number from 1, got {stored!r}")
    if stored > SCHEMA_VERSION:
        raise _newer(path, values)
    for version in range(stored, SCHEMA_VERSION):
        values = _MIGRATIONS[version](values, path.parent)
    return values


def _newer(path: Path, values: Mapping[str, Any]) -> RunError:
    """Return the error of a manifest that a newer version wrote."""
    versions = values.get("versions")
    wrote = versions.get("starec-sim") if isinstance(versions, dict) else None
    return RunError(
        f"{path} has schema_version {values['schema_version']}, "
        f"this version reads up to {SCHEMA_VERSION}",
        hint=f"open it with the newer version that wrote it{f' ({wrote})' if wrote else ''}",
    )


def _from_version_1(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Add the kind: 0.1.0 wrote one for trainings only, and a file beside evaluations."""
    kind = "evaluation" if (folder / "evaluation.yaml").is_file() else "run"
    return {"kind": kind, **values, "schema_version": 2}


def _from_version_2(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Change nothing: 0.2.0 did not note the code of plug-ins, which is unknown."""
    return {**values, "schema_version": 3}


_MIGRATIONS: Mapping[int, Callable[[dict[str, Any], Path], dict[str, Any]]] = {
    1: _from_version_1,
    2: _from_version_2,
}
"""From each older version to the next; each takes the manifest's values and the folder."""


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
