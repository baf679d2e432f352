"""What all plots share: the style sheet `starec.mplstyle`, its colours, how files are written."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
"""Those of the style sheet, for plots that name a colour."""
FORMATS = ("pdf", "svg", "png")
"""The formats of files: two with vectors, one with pixels."""
_UNDATED: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {"Software": None},
}
"""Metadata without which the same plot makes the same file."""


def plot_style() -> AbstractContextManager[None]:
    """Return a context in which plots are drawn in the style of `starec.mplstyle`."""
    from matplotlib import style

    return style.context(str(files("starec_sim") / "starec.mplstyle"))


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; its size is in inches.

    The object interface of matplotlib needs no display and leaves no global state.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure; the suffix of the file is one of `FORMATS`.

    Raises:
        OSError: The file cannot be written.
    """
    path.unlink(missing_ok=True)  # a link that somebody put there is not followed
    figure.savefig(path, dpi=dpi, metadata=_UNDATED[path.suffix[1:]])
