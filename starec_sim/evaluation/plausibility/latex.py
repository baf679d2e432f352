"""Read the tables of a LaTeX file, with pylatexenc."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pylatexenc.latexwalker import (
    LatexCharsNode,
    LatexCommentNode,
    LatexEnvironmentNode,
    LatexGroupNode,
    LatexMacroNode,
    LatexMathNode,
    LatexSpecialsNode,
    LatexWalker,
    LatexWalkerParseError,
    get_default_latex_context_db,
)
from pylatexenc.macrospec import EnvironmentSpec, MacroSpec, MacroStandardArgsParser

from starec_sim.errors import DataError
from starec_sim.evaluation.plausibility.grid import Grid, Span, lay_out
from starec_sim.evaluation.plausibility.latex_macros import expanded

_ONE = ("tabular", "longtable", "tblr", "longtblr", "talltblr", "array", "supertabular", "tabu")
_NICE = ("NiceTabular", "NiceArray", "NiceTabular*", "NiceTabularX")
_WIDE = ("tabular*", "tabularx", "tabulary", "xltabular")
"""Environments whose first argument is the width."""
_TABLES = (*_ONE, *_NICE, *_WIDE)
_BEGIN_OR_END = re.compile(rf"\\(begin|end)\s*{{({'|'.join(map(re.escape, _TABLES))})}}")
_AT_THE_POINT = re.compile(r"@\s*{\s*\$?[.,]\$?\s*}")
_INPUT = re.compile(r"\\(?:input|include)\b\s*{?\s*([^\s}&\\]*)")

_BY_ARGUMENTS = {
    "{": "cline hhline cite citep citet ref label noalign bm boldsymbol uline ul hl fbox tnote "
    "textsuperscript phantom",
    "[{": "cellcolor rowcolor color makecell shortstack footnote arrayrulecolor SetCell SetRow",
    "[": "toprule midrule bottomrule addlinespace cmidrule footnotemark",
    "{{": "diagbox scalebox raisebox fontsize",
    "[{{": "textcolor rotatebox",
    "{{{": "multicolumn specialrule",
    "*{": "hspace vspace",
    "*{{{": "resizebox",
    "[{[{[{": "multirow",
}
"""Macros whose arguments pylatexenc does not know."""
_PRINT_NOTHING = (
    "hline toprule midrule bottomrule cline hhline addlinespace specialrule cellcolor rowcolor "
    "color arrayrulecolor cite citep citet ref label hspace vspace footnote phantom centering "
    "small footnotesize scriptsize tiny normalsize large bfseries itshape rm bf it noalign "
    "smallskip medskip strut displaystyle left right endhead endfirsthead endfoot endlastfoot "
    "em sffamily ttfamily rmfamily boldmath footnotemark fontsize selectfont SetCell SetRow"
)
_SILENT = frozenset(_PRINT_NOTHING.split())
_SIGNS = {
    **{"pm": "±", "textpm": "±", "dagger": "†", "ddagger": "‡", "dag": "†", "ddag": "‡"},
    **{"ast": "*", "star": "*", "uparrow": "↑", "downarrow": "↓", "Delta": "Δ", "S": "§"},
    **{"%": "%", "&": "&", "_": "_", "#": "#", "$": "$", "{": "{", "}": "}", "-": "", "/": ""},
    **{",": " ", ";": " ", ":": " ", "!": "", " ": " ", "quad": " ", "qquad": " ", "\\": " "},
    **{"textendash": "–", "textemdash": "—", "times": "×", "blacktriangle": "▲", "checkmark": "✓"},
}
_UNKNOWN = "\x1f"
"""Stands beside what an unknown macro prints, so that 2 and 0.5 do not become 20.5."""


def latex_grids(text: str, at: str) -> Iterator[Grid]:
    """Yield the tables of a LaTeX text; a text without any environment is one table.

    Raises:
        DataError: A table is not valid LaTeX.
    """
    try:
        text = expanded(text)
    except ValueError as error:
        raise DataError(f"{at}: {error}", hint="write the table without that macro") from None
    for source in list(_tables(text)) or [rf"\begin{{tabular}}{{l}}{text}\end{{tabular}}"]:
        _check_whole(source, at)
        try:
            nodes, _, _ = _walker(source).get_latex_nodes()
            table = next(node for node in nodes if isinstance(node, LatexEnvironmentNode))
            lines = list(_lines(table.nodelist))
        except (LatexWalkerParseError, StopIteration, RecursionError, ValueError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"{at}: a table is not valid LaTeX: {reason}",
                hint="check that every { and \\begin{...} of the table is closed",
            ) from None
        yield lay_out(lines, covered_are_written=True)


def _check_whole(source: str, at: str) -> None:
    """Refuse a table whose rows are elsewhere, or whose numbers are split at the point.

    Raises:
        DataError: It is one of the two.
    """
    if elsewhere := _INPUT.search(source):
        raise DataError(
            f"{at}: rows of a table are in another file, {elsewhere[1]}",
            hint=f"put its text in place of \\input{{{elsewhere[1]}}}; latexpand does so",
        )
    if split := _AT_THE_POINT.search(source):
        raise DataError(
            f"{at}: the columns of a table split its numbers at {split[0]}",
            hint="write each number in one cell: 0.51 in place of 0&51",
        )


def latex_text(text: str) -> str:
    r"""Return a short text without LaTeX's macros and formulas; unchanged if it has none.

    >>> latex_text(r"$\mathbf{0.57} \pm 0.01$")
    '0.57 ±0.01'
    """
    if "\\" not in text and "$" not in text:
        return text
    try:
        nodes, _, _ = _walker(text).get_latex_nodes()
    except (LatexWalkerParseError, RecursionError):
        return text
    return _printed(nodes)


def _walker(text: str) -> LatexWalker:
    context = get_default_latex_context_db()
    context.add_context_category(
        "tables",
        macros=[
            MacroSpec(name, MacroStandardArgsParser(arguments))
            for arguments, names in _BY_ARGUMENTS.items()
            for name in names.split()
        ],
        environments=[
            *(EnvironmentSpec(name, MacroStandardArgsParser("[{")) for name in (*_ONE, *_NICE[:2])),
            *(
                EnvironmentSpec(name, MacroStandardArgsParser("{[{"))
                for name in (*_WIDE, *_NICE[2:])
            ),
        ],
        prepend=True,
    )
    return LatexWalker(text, latex_context=context, tolerant_parsing=False)


def _tables(text: str) -> Iterator[str]:
    """Yield the source of each outermost table."""
    depth, begun = 0, 0
    for match in _BEGIN_OR_END.finditer(text):
        if match[1] == "begin":
            begun = begun if depth else match.start()
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                yield text[begun : match.end()]
    if depth:
        yield text[begun:]  # not closed: reported as invalid


def _lines(nodes: Sequence[Any]) -> Iterator[list[Span]]:
    """Yield the spans of each line of a table."""
    for line in _split(nodes, lambda node: _macro(node) in ("\\", "tabularnewline", "cr")):
        spans = [_span(cell) for cell in _split(_without_rules(line), _ampersand)]
        if any(span.text for span in spans):
            yield spans


def _split(nodes: Iterable[Any], ends: Any) -> Iterator[list[Any]]:
    part: list[Any] = []
    for node in nodes:
        if ends(node):
            yield part
            part = []
        else:
            part.append(node)
    yield part


def _ampersand(node: Any) -> bool:
    return isinstance(node, LatexSpecialsNode) and node.specials_chars == "&"


def _macro(node: Any) -> str:
    return str(node.macroname) if isinstance(node, LatexMacroNode) else ""


def _without_rules(nodes: Sequence[Any]) -> Iterator[Any]:
    r"""Yield nodes without \\cmidrule(lr){2-3}, whose brackets are no arguments of LaTeX."""
    rest = iter(nodes)
    for node in rest:
        if _macro(node) != "cmidrule":
            yield node
            continue
        for after in rest:
            if isinstance(after, LatexGroupNode):
                break


def _span(nodes: Sequence[Any]) -> Span:
    """Return a cell with the columns and rows that it covers."""
    columns = rows = 1
    parts: list[Any] = list(nodes)
    # \\multicolumn and \\multirow may hold each other, with colours beside them.
    while at := [n for n, part in enumerate(parts) if _macro(part) in ("multicolumn", "multirow")]:
        given = parts[at[0]].nodeargd.argnlist
        if _macro(parts[at[0]]) == "multicolumn":
            columns = max(1, int(_text(given[0])))
        else:
            rows = int(_text(given[1])) or 1
        held = given[-1]
        parts[at[0] : at[0] + 1] = held.nodelist if isinstance(held, LatexGroupNode) else [held]
    text = _printed(parts).strip(f"{_UNKNOWN} ")
    return Span(text.replace(_UNKNOWN, " ? "), columns, rows)


def _printed(nodes: Iterable[Any]) -> str:
    """Return what nodes print, as plain text."""
    text, unknown = "", ""
    for node in nodes:
        if unknown and isinstance(node, LatexGroupNode):
            text, unknown = f"{text}{_UNKNOWN}{_text(node)}{_UNKNOWN}", _UNKNOWN
            continue
        text, unknown = text + unknown.strip(_UNKNOWN), ""
        if _macro(node) and not (node.nodeargd.argnlist or _macro(node) in {*_SILENT, *_SIGNS}):
            unknown = f"\\{_macro(node)}"  # printed unless a group follows
        else:
            text += _text(node)
    return text + unknown.strip(_UNKNOWN)


def _text(node: Any) -> str:
    if node is None or isinstance(node, LatexCommentNode):
        return ""
    if isinstance(node, LatexCharsNode):
        return str(node.chars).replace("~", " ")
    if isinstance(node, LatexGroupNode | LatexMathNode):
        return _printed(node.nodelist)
    if isinstance(node, LatexEnvironmentNode):  # a table in a cell breaks its lines
        return _printed(node.nodelist).replace("&", " ")
    if isinstance(node, LatexSpecialsNode):
        return {"~": " ", "--": "–", "---": "—"}.get(node.specials_chars, str(node.specials_chars))
    return _macro_text(node)


def _macro_text(node: Any) -> str:
    name = str(node.macroname)
    given = [argument for argument in node.nodeargd.argnlist if argument is not None]
    if name in _SILENT:
        return ""
    if name in _SIGNS:
        return _SIGNS[name]
    if not given:
        return ""
    return f"^{_text(given[-1])}" if name == "textsuperscript" else _text(given[-1])
