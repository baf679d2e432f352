"""What code a resume, a replay or an estimate may run, and which servers and keys it may use.

The configuration of a run names the code of plug-ins, servers and variables with keys. A folder may
come from somebody else, and a file may have been changed since the run began.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from starec_sim import plugin_code
from starec_sim.errors import RunError
from starec_sim.plugin_files import named_files, sha256
from starec_sim.policy_endpoints import allowed_endpoints
from starec_sim.runs.folder import CONFIG, where_it_started
from starec_sim.runs.manifest import MANIFEST, Manifest, stored_manifest, write_manifest


class CodeRules(NamedTuple):
    """What a user allows."""

    trust: bool = False
    """Whether to use code, servers and keys that a folder names which was not made here."""
    allow_changed: bool = False
    """Whether to go on with code that was changed since the run began."""


SAME_CODE = CodeRules()
"""Only the code that a run began with, in a folder that was made here."""


@contextlib.contextmanager
def code_of(folder: Path, manifest: Manifest | None, rules: CodeRules) -> Iterator[None]:
    """Let only the code be loaded that a run began with, if it was made here.

    In a folder that was not made here, no policy may name another machine or a key.

    Args:
        folder: Of the run.
        manifest: Of the run; None if it cannot be read.
        rules: What the user allows.

    Raises:
        RunError: Inside the block, when other code is about to be loaded, or a policy is refused.
    """
    is_made_here = _is_made_here(folder, manifest)
    begun_with = (code.use for code in manifest.plugins or ()) if manifest and is_made_here else ()
    allowed = None if rules.trust else frozenset(begun_with)
    not_made_here = f"{folder} was not made here by this user, or was changed since, and"

    def refused_code(reference: str) -> RunError:
        files = named_files(_texts(folder)) or [reference]
        return RunError(
            f"{not_made_here} names code of plug-ins: {', '.join(files)} would run",
            hint="read that code; if you trust it, give the same command again with --trust",
        )

    def refused_endpoint(setting: str) -> RunError:
        return RunError(
            f"{not_made_here} decides where prompts and keys are sent: {setting}",
            hint=f"read the policies in its {CONFIG} or other YAML files; if you trust them, give "
            "the same command again with --trust",
        )

    endpoint_error = None if rules.trust or is_made_here else refused_endpoint
    with plugin_code.allowed_code(allowed, refused_code), allowed_endpoints(endpoint_error):
        yield


@contextlib.contextmanager
def reopened(
    folder: Path, manifest: Manifest, rules: CodeRules, *, noted: bool = True
) -> Iterator[Path]:
    """Go on with a run: in the directory where it was started, with the code that it began with.

    Args:
        folder: Of the run.
        manifest: Of the run.
        rules: What the user allows.
        noted: Whether code that was changed, and is allowed, is written into the manifest.

    Yields:
        The absolute path of the run's folder.

    Raises:
        RunError: The directory is gone, or the code was changed or may not be loaded.
    """
    with where_it_started(folder, manifest) as here, code_of(here, manifest, rules):
        check_plugins(here, manifest, rules, noted=noted)
        yield here


@contextlib.contextmanager
def code_of_file(path: Path, rules: CodeRules) -> Iterator[None]:
    """Do what `code_of` does if a configuration lies in the folder of a run."""
    if not (path.parent / MANIFEST).exists():
        yield
        return
    try:
        manifest = stored_manifest(path.parent)
    except RunError:
        manifest = None
    with code_of(path.parent, manifest, rules):
        yield


def check_plugins(
    folder: Path, manifest: Manifest, rules: CodeRules, *, noted: bool = True
) -> None:
    """Refuse to go on if the code of a plug-in was changed since the run began.

    Args:
        folder: Of the run.
        manifest: Of the run. The working directory must be that in which the run began.
        rules: What the user allows.
        noted: Whether an allowed change is written into the manifest.

    Raises:
        RunError: The code was changed, and the user does not allow it.
    """
    codes = manifest.plugins or []
    for code in codes:  # whether it may run at all comes before whether it was changed
        plugin_code.check_allowed(code.use, code.use.rpartition(":")[0])
    changes = plugin_code.changed_code(codes)
    if not changes:
        return
    if not rules.allow_changed:
        raise RunError(
            f"the code of a plug-in is not the one that the {manifest.kind} began with: "
            f"{'; '.join(changes)}. Results of both would be mixed",
            hint="if you mended it, and what is recorded is still right, give the same command "
            "again with --allow-changed-code; else put the code back",
        )
    if any(change.endswith(("is gone", "is not installed")) for change in changes):
        raise RunError(
            f"the code of a plug-in is missing: {'; '.join(changes)}", hint="put it back"
        )
    if noted:
        was_made_here = manifest.is_made_here
        manifest.plugins = plugin_code.present_code(codes)
        manifest.changed_code = [*(manifest.changed_code or ()), *changes]
        if was_made_here:
            manifest.sign()
        write_manifest(folder, manifest)


def _is_made_here(folder: Path, manifest: Manifest | None) -> bool:
    """Return whether a run was made here, and its configuration is as it was."""
    if manifest is None or not manifest.is_made_here:
        return False
    if manifest.config_sha256 and sha256(folder / CONFIG) != manifest.config_sha256:
        return False
    return all(sha256(folder / name) == sha for name, sha in manifest.settings_sha256.items())


def _texts(folder: Path) -> str:
    """Return the texts of the settings in a folder."""
    texts = []
    for path in sorted(folder.glob("*.yaml")):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            texts.append(path.read_text("utf-8"))
    return "\n".join(texts)
