"""The console of all commands: it shows control characters in place of obeying them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.segment import Segment

from starec_sim.visible_text import visible


class _Visible:
    """Renders something with its control characters made visible."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._renderable, options):
            text, style, control = segment
            yield segment if control else Segment(visible(text), style)


class _VisibleText(RenderHook):
    """Puts everything that a console prints through `visible`."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Return the renderables with their control characters made visible."""
        return [_Visible(renderable) for renderable in renderables]


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return the console for stdout or stderr: no markup, control characters visible."""
    made = Console(highlight=False, markup=False, emoji=False, stderr=stderr, quiet=quiet)
    made.push_render_hook(_VisibleText())
    return made
