"""What the header of a table says of each column: a metric, and what it belongs to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from starec_sim.evaluation.plausibility.grid import Cell

_KIND = r"ndcg|hit[ _-]?rates?|hit[ _-]?ratios?|hits?|hr|recall|rec|mrr"
_METRIC = re.compile(
    rf"(?:(?P<kind>{_KIND})[ _-]*@?[ _-]*|(?P<letter>[nhr])\s*@\s*)\(?(?P<k>\d{{1,5}})\)?"
)
_KIND_ALONE = re.compile(rf"(?P<kind>{_KIND})(?:\s*@\s*[kn])?")
_CUT = re.compile(r"(?:@|[kn]\s*=|top[ -]?)?\s*(?P<k>\d{1,5})")
_DECORATION = re.compile(r"\(\s*%?\s*[↑↓]?\s*\)|\[\s*%\s*\]|[%↑↓*:]")


class Column(NamedTuple):
    """A column of metrics."""

    metric: str
    """As this project writes it, e.g. `ndcg@10`."""
    label: str
    """What else its header says, e.g. a dataset."""
    percent: bool
    """Whether its header has a percent sign."""


def metric_name(text: str) -> str | None:
    """Return the name of a metric as this project writes it; None for anything else.

    >>> [metric_name(text) for text in ("NDCG@10", "Recall@5 (%)", "MRR", "users")]
    ['ndcg@10', 'hr@5', 'mrr', None]
    """
    plain = _plain(text)
    if plain == "mrr":
        return plain
    match = _METRIC.fullmatch(plain)
    if match is None or not int(match["k"]):
        return None
    return f"{_kind(match['kind'] or match['letter'])}@{int(match['k'])}"


def is_header(row: Sequence[Cell], above: Sequence[Sequence[Cell]]) -> bool:
    """Return whether a row belongs to the header: it names metrics, or the cuts of those above.

    Args:
        row: The row.
        above: The rows of the header so far.
    """
    if any(metric_name(cell.text) or _kind_alone(cell.text) for cell in row):
        return True
    if not any(_kind_alone(cell.text) for line in above for cell in line):
        return any(re.fullmatch(r"(?:@|[kn]\s*=)\s*\d{1,5}", _plain(cell.text)) for cell in row)
    has_cut = any(_cut(cell.text) for line in above for cell in line)
    kinds = [x for line in above for x, cell in enumerate(line) if _kind_alone(cell.text)]
    cells = [row[x] for x in kinds if not row[x].blank]
    return not has_cut and bool(cells) and all(_cut(cell.text) for cell in cells)


def columns(header: Sequence[Sequence[Cell]]) -> list[Column | None]:
    """Return what each column holds; None for one without a metric.

    An empty cell has the label on its left, if the metric is new there: of "Toys" above two
    columns, a CSV file has the first cell only.
    """
    written = _columns(header)
    reaching = _columns([_reaching(row, written) for row in header])
    found: list[Column | None] = []
    for own, reached in zip(written, reaching, strict=True):
        if own is None or reached is None or reached.metric != own.metric or reached in found:
            found.append(own)
        else:
            found.append(reached)
    return found


def _reaching(row: Sequence[Cell], written: Sequence[Column | None]) -> list[Cell]:
    """Return a row of a header with each empty cell like the one on its left.

    Only cells above metrics reach to the right: "Model" above the names of methods does not.
    """
    cells: list[Cell] = []
    for index, cell in enumerate(row):
        empty = not cell.text and index and written[index] and written[index - 1]
        cells.append(cells[-1] if empty else cell)
    return cells


def _columns(header: Sequence[Sequence[Cell]]) -> list[Column | None]:
    return [_column(list(dict.fromkeys(cells))) for cells in zip(*header, strict=True)]


def _column(cells: Sequence[Cell]) -> Column | None:
    """Return what a column holds, from the cells of its header, top to bottom."""
    metric, labels, kind, cut = None, [], "", 0
    for cell in cells:
        if cell.blank:
            continue
        if metric is None and (found := metric_name(cell.text)) and found != "mrr":
            metric = found
        elif not kind and (found := _kind_alone(cell.text)):
            kind = found
        elif not cut and (number := _cut(cell.text)):
            cut = number
        elif not _repeats(cell.text, metric, kind, cut):
            labels.append(cell.text)
    if metric is None and kind and (cut or kind == "mrr"):
        metric = f"{kind}@{cut}" if cut else kind
    if metric is None:
        return None
    return Column(metric, ", ".join(labels), any("%" in cell.text for cell in cells))


def _repeats(text: str, metric: str | None, kind: str, cut: int) -> bool:
    """Return whether a cell says again what a cell above it says, as on each page of a table."""
    return bool(
        (metric and metric_name(text) == metric)
        or (kind and _kind_alone(text) == kind)
        or (cut and _cut(text) == cut)
    )


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)  # a wide @, as Chinese keyboards write it
    return " ".join(_DECORATION.sub(" ", text.casefold().strip(" $_|")).split())


def _kind(name: str) -> str:
    if name in ("ndcg", "n"):
        return "ndcg"
    return "mrr" if name == "mrr" else "hr"


def _kind_alone(text: str) -> str | None:
    match = _KIND_ALONE.fullmatch(_plain(text))
    return _kind(match["kind"]) if match else None


def _cut(text: str) -> int:
    """Return the k of a header such as "@10" or "k = 10"; 0 for anything else."""
    match = _CUT.fullmatch(_plain(text))
    return int(match["k"]) if match else 0
