"""The files of RecBole and AgentCF: NAME.inter, or NAME.train.inter and those of other parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.paths import only
from starec_environments.datasets.settings import TextSettings
from starec_environments.datasets.text_files import first_text
from starec_environments.datasets.text_tables import TextFormat, read_table
from starec_sim.errors import DataError, did_you_mean

SPLITS = ("train", "valid", "test")
TYPES = ("token", "token_seq", "float", "float_seq")
_SEQUENCES = ("user_id:", "item_id_list:", "item_id:")
"""The columns of AgentCF's files, whose lines hold what came before an item."""


def atomic_datasets(
    place: Path, files: Sequence[Path], name: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the reader of the atomic files in a folder, and its settings.

    Args:
        place: The folder.
        files: The files to choose from; a file alone stands for itself.
        name: The dataset, if the user gives one.

    Raises:
        DataError: There are several datasets.
    """
    logs = [file for file in files if file.name.endswith(".inter")]
    if not logs:
        return
    names = sorted({dataset_name(file) for file in logs})
    if name is not None:
        names = [dataset_name(place / f"{name}.inter")]
    if len(names) > 1:
        raise DataError(
            f"{place} holds several datasets: {', '.join(names)}",
            hint=f"name one of them: --set data.name={names[0]}, or give the path of its file",
        )
    mine = [file for file in logs if dataset_name(file) == names[0]]
    if not mine:
        return
    header = first_text(mine[0], "utf-8", 10_000).partition("\n")[0]
    if all(f"\t{column}" in f"\t{header}" for column in _SEQUENCES):
        yield "agentcf", {"name": names[0]}
    elif len(files) == 1 or name is not None:
        yield "recbole", {"name": name or mine[0].name.removesuffix(".inter")}
    else:
        yield "recbole", {"name": names[0]}


def dataset_name(path: Path) -> str:
    """Return the name of the dataset that a log belongs to.

    >>> dataset_name(Path("shop.train.inter")), dataset_name(Path("shop.inter"))
    ('shop', 'shop')
    """
    name = path.name.removesuffix(".inter")
    stem, _, split = name.rpartition(".")
    return stem if split in SPLITS else name


def log_files(place: Path, name: str | None) -> list[Path]:
    """Return the file of a dataset's log, or its parts for training, validation and test.

    Raises:
        DataError: There is none, there are several datasets, or a whole log beside its parts.
    """
    found = sorted(file for file in place.glob("*.inter") if file.is_file())
    names = {dataset_name(file) for file in found}
    if name is None and len(names) == 1:
        name = names.pop()
    parts = [place / f"{name}.{split}.inter" for split in SPLITS]
    parts = [part for part in parts if part in found]
    if parts and place / f"{name}.inter" in found:
        raise DataError(
            f"{place} holds {name}.inter and parts of it ({', '.join(p.name for p in parts)})",
            hint="put the files that are not to be read into another folder",
        )
    return parts or [only(place, "*.inter", name)]


def atomic_format(separator: str, settings: TextSettings) -> TextFormat:
    """Return how atomic files are written. Their fields stand in quotes only if settings say so."""
    quoted = settings.quoted or settings.escape is not None
    return TextFormat(separator, settings.encoding, None, quoted, settings.escape)


def read_atomic(path: Path, form: TextFormat, faults: Faults) -> tuple[Columns, Mapping[str, str]]:
    """Return an atomic file's table, its columns named without their types, and the types.

    Raises:
        DataError: The file cannot be read, or its header is not `field:type`.
    """
    _check_header(path, form)
    table = read_table(path, form, faults)
    types = {}
    for field in table.columns:
        name, _, kind = field.rpartition(":")
        types[name] = kind
    return replace(table, columns=dict(zip(types, table.columns.values(), strict=True))), types


def _check_header(path: Path, form: TextFormat) -> None:
    header = first_text(path, form.encoding, 65_536).lstrip("\n").partition("\n")[0]
    fields = header.split(form.separator) if header else []
    if len(fields) == 1 and header.count(":") > 1 and " " in header:
        raise DataError(
            f"{path}, line 1: there is one field where several were expected ({header[:80]}); "
            "its fields seem to be separated by spaces",
            hint="--set 'data.separator=\" \"'",
        )
    for field in fields:
        name, _, kind = field.strip('"').rpartition(":")
        if not name or kind not in TYPES:
            known = did_you_mean(kind, TYPES) if name else "e.g. user_id:token"
            raise DataError(
                f'{path}, line 1: "{field[:80]}" is not `field:type`; {known}',
                hint=f"fields are separated by {form.separator!r}; if that is wrong: "
                "--set data.separator=...",
            )
