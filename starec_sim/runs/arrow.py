"""Turn the rows of a run's tables into Arrow, from the annotations of their row types.

Mappings become maps: their keys are data, such as ids of items. Values of any type, such as those
of `facts`, become JSON texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from starec_sim.errors import RunError, import_problem

if TYPE_CHECKING:
    import pyarrow

_BATCH = 1_000
"""Rows that are converted at once."""


def to_arrow(kind: type, rows: Iterator[tuple[Any, ...]]) -> pyarrow.Table:
    """Return rows as an Arrow table.

    Args:
        kind: The type of the rows, one of `starec_sim.runs.row_types`.
        rows: The rows.

    Raises:
        RunError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        problem, hint = import_problem(error, "pip install 'starec-sim[parquet]'")
        raise RunError(f"Arrow tables need pyarrow: {problem}", hint=hint) from error
    hints = get_type_hints(kind)
    schema = pa.schema([(name, _type(pa, hint)) for name, hint in hints.items()])
    names = list(hints)
    as_json = [at for at, hint in enumerate(hints.values()) if _holds_anything(hint)]
    batches = []
    while batch := list(islice(rows, _BATCH)):
        columns = [list(column) for column in zip(*batch, strict=True)]
        for at, column in enumerate(columns):
            if at in as_json:
                columns[at] = [json.dumps(value, ensure_ascii=False) for value in column]
            elif isinstance(column[0], Mapping):
                columns[at] = [list(value.items()) for value in column]
            elif names[at] == "messages":
                columns[at] = [[{"role": r, "content": c} for r, c in value] for value in column]
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)
        ]
        batches.append(pa.record_batch(arrays, schema=schema))
    return pa.Table.from_batches(batches, schema)


def _holds_anything(hint: Any) -> bool:
    return Any in get_args(hint)


def _type(pa: Any, hint: Any) -> Any:
    """Return the Arrow type of an annotation."""
    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if _holds_anything(hint):
        return pa.string()
    if hint in plain:
        return plain[hint]
    origin, inner = get_origin(hint), [each for each in get_args(hint) if each is not type(None)]
    if origin is tuple and inner[0] == tuple[str, str]:
        return pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
    if origin is tuple:
        return pa.list_(_type(pa, inner[0]))
    if origin is not None and _is_mapping(origin):
        return pa.map_(_type(pa, inner[0]), _type(pa, inner[1]))
    return _type(pa, inner[0])  # a value that may be missing


def _is_mapping(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Mapping)
