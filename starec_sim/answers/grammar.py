"""The grammar of an answer, for models that are held to it while they write.

It is derived from what the parser reads: the parts that a prompt asks for, the labels, the actions
of the task. It is stricter than the parser (one way to put spaces, actions in the order of the
labels), so that whatever it allows is read without a flaw. Two things that a JSON schema cannot say
are part of it: each label once, and how often an action can be done on a page.

The language is Lark as llguidance reads it. A rule `name::_` has a number of 64 bits as parameter
(https://github.com/guidance-ai/llguidance/blob/main/docs/parametric.md): it holds which labels were
named, or how often an action was done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from starec_sim.action_arguments import Amount, Argument, FreeText, OneOf, number_text
from starec_sim.answers.labelling import labels
from starec_sim.answers.number_ranges import range_pattern
from starec_sim.answers.summaries import CHARACTERS_A_WORD
from starec_sim.answers.tags import ACTIONS, ANSWER, NEXT, RANKING, THINK
from starec_sim.tasks import SKIP, ActionKind, Task
from starec_sim.types import ExpectedAnswer

MOST_LABELS = 64
"""Labels of a ranking that the grammar keeps apart; in a longer one labels may occur twice."""

_BITS, _LINE_BITS = 62, 7
_LEAST_CHARACTERS = 8
"""Of the text of an action, however many there may be."""
_DIGITS = 32
"""Characters of the longest number of an interview."""
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"


class AnswerTooLongError(ValueError):
    """The grammar of an answer has more labels or limits than it can count."""


def answer_grammar(
    expected: ExpectedAnswer, max_tokens: int, count_tokens: Callable[[str], int]
) -> str:
    """Return the grammar of an answer.

    What the parts with a fixed form leave of the longest answer is shared equally by the reasoning,
    each other text, and the texts of actions, so that reasoning that rambles cuts off nothing.

    Args:
        expected: The answer.
        max_tokens: The most tokens of an answer.
        count_tokens: Returns the number of tokens of a text.

    Raises:
        AnswerTooLongError: It has more labels or limits than the grammar can count.
    """
    grammar = _Grammar(expected)
    typed = grammar.typed_texts
    fixed = count_tokens(grammar.longest_fixed_part())
    # A model that is lost spells words in more tokens than its tokenizer would: up to twice as many
    # are kept free, if that takes no more than half of the answer.
    spare = min(fixed, max(fixed // 5, max_tokens // 2 - fixed)) + 8
    left = max_tokens - fixed - spare
    share = max(1, left // max(1, len(grammar.texts) + bool(typed)))
    # A token has about two characters where a model is not at home in the language.
    grammar.characters = max(_LEAST_CHARACTERS, 2 * share // max(1, typed))
    return grammar.lark(share)


def longest_form(expected: ExpectedAnswer) -> str:
    """Return an answer without texts that is about as long as one can be."""
    return _Grammar(expected).longest_fixed_part()


class _Bits(NamedTuple):
    """A range of bits of a rule's parameter."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"[{self.start}:{self.end}]"


class _Grammar:
    """Writes the rules of one answer.

    Args:
        expected: The answer.
    """

    def __init__(self, expected: ExpectedAnswer) -> None:
        self._expected = expected
        self._json = expected.form == "json"
        self._labels = labels(expected.labels)
        self._task = expected.task or Task("ranking")
        self.characters = 10_000
        """The longest text of an action."""

    @property
    def texts(self) -> list[str]:
        """The parts that are texts: reasoning, and what has no form of its own."""
        typed = bool(self._expected.one_of or self._expected.pattern)
        formed = (RANKING, ACTIONS, NEXT, *((ANSWER,) if typed else ()))
        return [part for part in self._expected.parts if part not in formed]

    @property
    def typed_texts(self) -> int:
        """How many texts of actions an answer may have."""
        count = len(self._labels)
        acts = [kind for kind in self._task.actions if isinstance(kind.argument, FreeText)]
        moves = [kind for kind in self._task.after if isinstance(kind.argument, FreeText)]
        many = sum(min(count, kind.at_most or count) for kind in acts)
        return (many if ACTIONS in self._expected.parts else 0) + (
            bool(moves) if NEXT in self._expected.parts else 0
        )

    def longest_fixed_part(self) -> str:
        """See `longest_form`."""
        most = sorted(map(_longest, self._task.kinds.values()), key=len)[-self._task.per_item :]
        move = max(map(_longest, self._task.moves.values()), key=len)
        answer = max(self._expected.one_of, key=len, default="0" * _DIGITS)
        if self._json:
            several = most if self._task.per_item > 1 else most[0]
            values = {
                RANKING: list(self._labels),
                ACTIONS: dict.fromkeys(self._labels, several),
                NEXT: move,
                ANSWER: answer,
            }
            return json.dumps({part: values.get(part, "") for part in self._expected.parts})
        lines = "\n".join(f"{label}: {', '.join(most)}" for label in self._labels)
        ranking = " > ".join(self._labels)
        contents = {RANKING: ranking, ACTIONS: lines, NEXT: move, ANSWER: answer}
        return "\n".join(
            f"<{part}>\n{contents.get(part, '')}\n</{part}>" for part in self._expected.parts
        )

    def lark(self, text_tokens: int) -> str:
        """Return all rules; each text has at most so many tokens."""
        writers = {
            RANKING: self._ranking,
            ACTIONS: self._actions,
            NEXT: self._next,
            ANSWER: self._answer,
        }
        parts: list[str] = []
        rules: list[str] = []
        for part in self._expected.parts:
            if part not in self.texts:
                symbol, own = writers[part]()
            else:
                symbol = f"text_{part}"
                limit = 0 if part == THINK else self._expected.words
                own = [f"{symbol}[max_tokens={text_tokens}]: /{self._text(limit)}/"]
            parts.append(self._part(part, symbol, first=not parts))
            rules += own
        if self._json:
            parts.append(_literal("}"))
        # Without it only the tokenizer's own spelling of what must follow would be allowed.
        return "\n".join(
            ['%llguidance {"no_forcing": true}', f"start: {' '.join(parts)}", *rules, ""]
        )

    def _part(self, part: str, symbol: str, *, first: bool) -> str:
        """Return a part: its content between what opens and closes it."""
        if self._json:
            opening, closing = {RANKING: ("[", "]"), ACTIONS: ("{", "}")}.get(part, ('"', '"'))
            before = "{" if first else ", "
            return (
                f"{_literal(f'{before}{json.dumps(part)}: {opening}')} {symbol} {_literal(closing)}"
            )
        on_lines = part not in (RANKING, NEXT, ANSWER)
        opening = ("" if first else "\n") + f"<{part}>" + ("\n" if on_lines else "")
        # A text brings the line break before its closing tag along, or does without.
        closing = ("\n" if part == ACTIONS else "") + f"</{part}>"
        return f"{_literal(opening)} {symbol} {_literal(closing)}"

    def _text(self, words: int) -> str:
        """Return the pattern of a text, of at most so many words if not 0.

        A text holds no tag; in JSON it holds no escape, because the limit of its length could cut
        one in two.
        """
        ends = r'"\\' if self._json else "<"
        space = " " if self._json else r"[ \n]"
        if not words:
            controls = r"\x00-\x1f\x7f-\x9f" if self._json else r"\x00-\x08\x0b-\x1f\x7f-\x9f"
            return f"[^{ends}{controls}]*"
        # With the space before it a word has no more characters than the parser allows for it.
        word = rf"[^\s{ends}{_CONTROLS}]{{1,{CHARACTERS_A_WORD - 2}}}"
        return f"{space}*{word}({space}{{1,2}}{word}){{0,{words - 1}}}{space}*"

    def _ranking(self) -> tuple[str, list[str]]:
        names = [_literal(f'"{label}"' if self._json else label) for label in self._labels]
        separator = _literal(", " if self._json else " > ")
        count = len(names)
        if not count:
            return '""', []
        if count > MOST_LABELS:
            return f"label ({separator} label){{{count - 1}}}", [f"label: {' | '.join(names)}"]
        each = " | ".join(
            f"{name} named::set_bit({at}) %if bit_clear({at})" for at, name in enumerate(names)
        )
        all_named = f"is_ones({_Bits(0, count)})"
        return "ranking::0", [
            f"ranking::_: {each}",
            f'named::_: "" %if {all_named} | {separator} ranking::_ %if not({all_named})',
        ]

    def _next(self) -> tuple[str, list[str]]:
        moves = (f"/{self._pattern(kind)}/" for kind in self._task.moves.values())
        return "move", [f"move: {' | '.join(moves)}"]

    def _answer(self) -> tuple[str, list[str]]:
        """Return the rule of the answer to a typed question of an interview."""
        if self._expected.pattern:
            return "answer", [f"answer: /{self._expected.pattern}/"]
        written = (
            json.dumps(each, ensure_ascii=False)[1:-1] if self._json else each
            for each in self._expected.one_of
        )
        return "answer", [f"answer: {' | '.join(map(_literal, written))}"]

    def _actions(self) -> tuple[str, list[str]]:
        """Return the rules of one line for each label, in order.

        The parameter has the number of the line, which kinds were done with its item, and how
        often each limited kind was done on the page.
        """
        task, count = self._task, len(self._labels)
        if not count:
            return '""', []
        line, done, times = self._counters()
        in_list = self._json and task.per_item > 1
        begin, end = ('"', '"') if self._json else (" ", "")
        acts: list[str] = []
        conditions: list[str] = []
        rules: list[str] = []
        # llguidance applies one change of a parameter for each text that is read, no more: so each
        # follows a text of its own.
        for number, kind in enumerate(task.actions):
            condition, counted = f"bit_clear({done.start + number})", "more::_"
            if bits := times.get(kind.name):
                below = f"lt({bits}, {kind.at_most})"
                condition = f"and({condition}, {below})"
                counted = f"more::incr({bits}) %if {below}"
            conditions.append(condition)
            acts.append(
                f"{_literal(begin)} act_{number}::set_bit({done.start + number}) %if {condition}"
            )
            rules.append(f"act_{number}::_: {self._act(kind, end)} {counted}")
        kept = (1 << _BITS) - 1 ^ (1 << done.end) - (1 << done.start)
        lines = " | ".join(
            f"{_literal(self._line_opening(label, in_list))} acts::bit_and({kept:#x}) "
            f"%if eq({line}, {at})"
            for at, label in enumerate(self._labels)
        )
        last = _literal("]") if in_list else '""'
        between = _literal(("], " if in_list else ", ") if self._json else "\n")
        ending = (
            f"{last} %if eq({line}, {count - 1}) "
            f"| {between} line::incr({line}) %if lt({line}, {count - 1})"
        )
        another = f"and(bit_count_lt({done}, {task.per_item}), {_any_of(conditions)})"
        return "line::0", [
            f"line::_: {lines}",
            f"acts::_: {_literal(begin)} skip::_ | {' | '.join(acts)}",
            f"skip::_: {self._act(task.kinds[SKIP], end)} ending::_",
            *rules,
            f"others::_: {' | '.join(acts)}",
            f"more::_: {_literal(', ' if self._json else ',')} others::_ %if {another} | {ending}",
            f"ending::_: {ending}",
        ]

    def _line_opening(self, label: str, in_list: bool) -> str:
        if self._json:
            return f'"{label}": [' if in_list else f'"{label}": '
        return f"{label}:"

    def _act(self, kind: ActionKind, end: str) -> str:
        return f"/{self._pattern(kind)}/ {_literal(end)}" if end else f"/{self._pattern(kind)}/"

    def _counters(self) -> tuple[_Bits, _Bits, dict[str, _Bits]]:
        """Return the bits of the line's number, of the kinds done, and of each limited kind."""
        count = len(self._labels)
        line = _Bits(0, _LINE_BITS)
        done = _Bits(line.end, line.end + len(self._task.actions))
        times: dict[str, _Bits] = {}
        at = done.end
        for kind in self._task.actions:
            if kind.at_most is not None and kind.at_most < count:
                times[kind.name] = _Bits(at, at + kind.at_most.bit_length())
                at = times[kind.name].end
        if count >= 1 << _LINE_BITS or at > _BITS:
            raise AnswerTooLongError(
                f'the task "{self._task.name}" has {len(self._task.actions)} kinds of actions, '
                f"{len(times)} of them limited, on a page of {count} items"
            )
        return line, done, times

    def _pattern(self, kind: ActionKind) -> str:
        """Return the pattern of an action with its argument."""
        if kind.argument is None:
            return kind.name
        argument = f" ({self._argument(kind.argument)})"
        return kind.name + (f"({argument})?" if kind.optional else argument)

    def _argument(self, argument: Argument) -> str:
        if isinstance(argument, Amount):
            return range_pattern(argument.low, argument.high, argument.whole)
        if isinstance(argument, OneOf):
            return argument.pattern
        more = min(argument.characters, self.characters) - 1
        quote, out = (r"\\\"", r'"\\') if self._json else (r"\"", '"')
        return rf"{quote}[^\s{out}{_CONTROLS}][^{out}{_CONTROLS}]{{0,{more}}}{quote}"


def _literal(text: str) -> str:
    return json.dumps(text)


def _any_of(conditions: Sequence[str]) -> str:
    joined, *rest = conditions
    for condition in rest:
        joined = f"or({joined}, {condition})"
    return joined


def _longest(kind: ActionKind) -> str:
    """Return an action as it is written with its longest argument; a text is left out."""
    argument = kind.argument
    if isinstance(argument, Amount):
        return f"{kind.name} {number_text(argument.high)}" + ("" if argument.whole else ".0000")
    if isinstance(argument, OneOf):
        return f"{kind.name} {max(argument.options, key=len)}"
    return f'{kind.name} ""' if isinstance(argument, FreeText) else kind.name
