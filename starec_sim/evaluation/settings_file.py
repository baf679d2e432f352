"""Write, read and find the settings of an evaluation or an audit in its run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, RunError
from starec_sim.runs import folder as run_folder
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.regular_file import read_text, reason
from starec_sim.settings import ModelT, validate


class KeyedSettings(Protocol):
    """Settings with a key; two runs with the same key give the same result."""

    @property
    def key(self) -> str:
        """A digest of the settings that decide the result."""
        ...

    @property
    def runs_dir(self) -> Path:
        """Where the folders of runs are."""
        ...


def write(path: Path, settings: BaseModel) -> None:
    """Write settings as a YAML file."""
    write_atomically(path, yaml_files.dump(settings.model_dump(mode="json")))


def read(path: Path, model: type[ModelT], *, what: str, command: str) -> ModelT:
    """Return the settings that `write` wrote.

    Args:
        path: The file in the run folder.
        model: The class of the settings.
        what: What they are of, for messages: `audit`.
        command: The command that begins one, for messages.

    Raises:
        RunError: The file is missing, or is not YAML.
        ConfigError: Keys or values are wrong.
    """
    try:
        values = yaml_files.parse(read_text(path), str(path))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        why = error.message if isinstance(error, ConfigError) else f"{path}: {reason(error)}"
        raise RunError(
            f"{path.parent} holds no {what}: {why}", hint=f"`{command}` begins one"
        ) from None
    return validate(model, values, str(path), recorded=True)


def find_unfinished(
    settings: KeyedSettings, file: str, read: Callable[[Path], KeyedSettings]
) -> Path | None:
    """Return the latest run with the same key that can be resumed here; None if there is none.

    It is neither finished nor in progress by its manifest, and was begun in this working directory.

    Args:
        settings: The settings; `runs_dir` is where it looks.
        file: The name of the file of settings in a run folder.
        read: Returns the settings of a run folder.
    """
    for folder in reversed(run_folder.listed(settings.runs_dir)):
        if (folder / file).is_file():
            manifest = read_manifest(folder)
            unfinished = manifest.status not in ("running", "finished")
            begun_here = manifest.folder == str(Path.cwd())
            if unfinished and begun_here and read(folder).key == settings.key:
                return folder
    return None
