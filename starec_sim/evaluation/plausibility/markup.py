"""Read the tables of Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.token import Token

from starec_sim.evaluation.plausibility.grid import Grid, Span, lay_out
from starec_sim.evaluation.plausibility.latex import latex_text


def markdown_grids(text: str) -> Iterator[Grid]:
    """Yield the tables of a Markdown text, those in HTML included."""
    lines: list[list[Span]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "html_block":
            yield from html_grids(token.content)
        elif token.type == "table_open":
            lines = []
        elif token.type == "tr_open":
            lines.append([])
        elif token.type in ("th_open", "td_open"):
            lines[-1].append(Span(""))
        elif token.type == "inline" and lines and lines[-1]:
            lines[-1][-1] = Span(latex_text(_printed(token.children or [])).strip())
        elif token.type == "table_close":
            yield lay_out(lines, covered_are_written=True)
            lines = []


def _printed(tokens: list[Token]) -> str:
    """Return what the inside of a cell prints."""
    text = ""
    for token in tokens:
        if token.type in ("text", "code_inline", "text_special"):
            text += token.content
        elif token.type == "html_inline":
            tag = token.content.strip("</>").split(" ")[0].casefold()
            if tag == "sup" and not token.content.startswith("</"):
                text += "^"
            elif tag == "br":
                text += " "
        elif token.type in ("softbreak", "hardbreak"):
            text += " "
    return text


def html_grids(text: str) -> Iterator[Grid]:
    """Yield the tables of an HTML text. A table inside a cell counts as text of the cell."""
    reader = _TableReader()
    reader.feed(text)
    reader.close()
    for lines in reader.tables:
        yield lay_out(lines, covered_are_written=False)


class _TableReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[Span]]] = []
        self._depth = 0
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._depth += 1
            if self._depth == 1:
                self.tables.append([])
        elif self._depth == 1 and tag == "tr":
            self.tables[-1].append([])
            self._in_cell = False
        elif self._depth == 1 and tag in ("td", "th"):
            if not self.tables[-1]:
                self.tables[-1].append([])
            given = dict(attrs)
            columns, rows = _count(given.get("colspan")), _count(given.get("rowspan"))
            self.tables[-1][-1].append(Span("", columns, rows))
            self._in_cell = True
        elif tag == "sup":
            self._write("^")
        elif tag in ("br", "p", "div"):
            self._write(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self._depth:
            self._depth -= 1
        elif self._depth == 1 and tag in ("td", "th", "tr"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self._write(data)

    def _write(self, text: str) -> None:
        if self._depth and self._in_cell:
            row = self.tables[-1][-1]
            row[-1] = row[-1]._replace(text=row[-1].text + text)


def _count(given: str | None) -> int:
    return max(1, int(given[:6])) if given and given.isascii() and given.isdigit() else 1
