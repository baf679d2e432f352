"""Files that the blocks of a page write and change, as its reader does by hand."""

import ast
import re


def with_changes(text, changes):
    """Return the text of a module after a reader put a block's parts in the place of older ones.

    Args:
        text: A module with one class.
        changes: A module that has the same class with new or changed parts, and new imports or
            constants.
    """
    for part in ast.parse(changes).body:
        if not isinstance(part, ast.ClassDef):
            text = _put(text, ast.parse(text), part, changes)
            continue
        for member in part.body:
            (inside,) = (n for n in ast.parse(text).body if isinstance(n, ast.ClassDef))
            assert inside.name == part.name, f"the block changes {part.name}, not {inside.name}"
            text = _put(text, inside, member, changes)
    return text


def _put(text, inside, new, changes):
    """Put one part in the place of the one of its name, or after the last one."""
    names = _names(new)
    old = next((node for node in inside.body if names and _names(node) == names), None)
    lines, said = text.splitlines(), changes.splitlines()[_first(new) - 1 : new.end_lineno]
    if old is None:
        at = inside.body[-1].end_lineno
        return "\n".join([*lines[:at], "", *said, *lines[at:]]) + "\n"
    return "\n".join([*lines[: _first(old) - 1], *said, *lines[old.end_lineno :]]) + "\n"


def _first(node):
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])


def _names(node):
    if isinstance(node, ast.ImportFrom):
        return (node.module,)
    if isinstance(node, ast.Assign):
        return tuple(ast.unparse(target) for target in node.targets)
    return (node.name,) if isinstance(node, ast.FunctionDef | ast.ClassDef) else ()


def same_code(one, other):
    """Return whether two modules have the same code, members of classes in any order."""
    return _sorted(one) == _sorted(other)


def _sorted(text):
    module = ast.parse(text)
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            parts = [ast.get_docstring(node) and "", *map(ast.unparse, node.body)]
            node.body = ast.parse("\n".join(sorted(filter(None, parts)))).body
    return re.sub(r"\s+", " ", ast.unparse(module))
