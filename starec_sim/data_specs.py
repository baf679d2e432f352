"""The spec of a dataset, from what stands on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starec_sim import plugins, yaml_files
from starec_sim.errors import DataError, did_you_mean
from starec_sim.plugin_files import from_folder

_DATA_HINT = "e.g. --data csv,path=log.csv,encoding=latin-1; or name a YAML file"


def data_spec(data: str, changes: Sequence[tuple[str, Any]] = ()) -> dict[str, Any]:
    """Return the spec of a dataset from what stands on the command line.

    Args:
        data: A folder or file, whose format is recognised; the name of a reader, or a reference
            (`package.module:Class`); each with settings after commas (`csv,path=x.csv`); or a YAML
            file with `use` or `path` and settings.
        changes: Dotted keys of the dataset and their values, which count more.

    Raises:
        ConfigError: A setting cannot be read.
        DataError: There is no such file, folder or dataset, or the format is unknown.
    """
    spec = _read_data(data)
    named = "use" in spec
    yaml_files.put_all(spec, changes, "data.")
    if named:
        return spec
    path = str(spec.pop("path", ""))
    if not path.strip() or not Path(path).exists():
        known = plugins.registered("datasets")
        raise DataError(
            f'"{path}" is neither a file or folder nor a dataset; {did_you_mean(path, known)}',
            hint="`starec plugins` lists the datasets; fetch one: starec data get movielens-100k",
        )
    use, settings = plugins.load("data", "detect")(Path(path), spec)
    return {"use": use, **settings}


def _read_data(data: str) -> dict[str, Any]:
    """Return a spec with `use`, or with the `path` of files whose format is to be recognised."""
    if not data.strip() or (Path(data).exists() and not yaml_files.is_yaml(Path(data))):
        return {"path": data}
    spec = yaml_files.read_spec(data, "data", _DATA_HINT)
    if yaml_files.is_yaml(Path(data)):
        spec = from_folder(spec, Path(data).parent)
    name = spec.get("use")
    is_reader = name in plugins.registered("datasets") or (
        ":" in str(name) and not Path(str(name)).exists()
    )
    if name is None or is_reader or "path" in spec:
        return spec
    return {"path": name, **{key: value for key, value in spec.items() if key != "use"}}
