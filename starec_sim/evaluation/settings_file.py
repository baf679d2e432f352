"""Write and read the settings of an evaluation or an audit in its run folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, RunError
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.regular_file import read_text, reason
from starec_sim.settings import ModelT, validate


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
