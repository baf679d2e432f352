"""Call a plug-in so that every failure names the plug-in, the method, the place, file and line."""

from __future__ import annotations

import inspect
import sys
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from starec_sim.boundary.global_random import (
    GlobalRandom,
    changed_generators,
    global_random,
    moved_to,
)
from starec_sim.boundary.handed_out import check_unchanged, handed_text
from starec_sim.boundary.memory_growth import MemoryGrowth, resident_bytes
from starec_sim.boundary.values import BrokenContract
from starec_sim.boundary.watch import (
    InterruptedCall,
    interruption,
    leave_call,
    start_call,
    watched_calls,
)
from starec_sim.errors import MEND, ContractError, PluginError, StarecError
from starec_sim.plugin_names import FILE_MODULE, SHIPPED

T = TypeVar("T")

_HERE = str(Path(__file__).parent)
_CALLERS = frozenset({*sys.stdlib_module_names, "langchain_core", "langgraph"})
"""Top packages whose objects call plug-ins and are none."""


def ships(plugin: Any) -> bool:
    """Return whether a class or function is one of those that ship with starec-sim."""
    return plugin.__module__.partition(".")[0] in SHIPPED


def in_a_file(plugin: type) -> bool:
    """Return whether a class was read from a single file, `file.py:Class`."""
    return plugin.__module__.startswith(FILE_MODULE)


def label_of(plugin: Any) -> str:
    """Return the name of a plug-in, or of its class: `shop.py:Shop` or `package.module:Class`."""
    named = plugin if hasattr(plugin, "__qualname__") else type(plugin)
    module = str(named.__module__)
    if module.startswith(FILE_MODULE) and (file := _file_of(module)):
        module = Path(file).name
    return f"{module}:{named.__qualname__}"


def written_methods(plugin: Any) -> Mapping[str, str]:
    """Return the methods that the author of a plug-in wrote, by that of the protocol.

    `World.written_methods` has them: `react` for `respond`. A class that replaces `respond` itself
    wrote `respond`.
    """
    kind = plugin if isinstance(plugin, type) else type(plugin)
    for base in kind.__mro__:
        if "written_methods" in vars(base):
            return {
                method: written
                for method, written in vars(base)["written_methods"].items()
                if _same(kind, base, method.partition(".")[0])
            }
    return {}


def _same(kind: type, base: type, method: str) -> bool:
    return getattr(kind, method, None) is getattr(base, method, None)


class PluginBoundary:
    """Calls the methods of one plug-in and checks what they return.

    Args:
        kind: The kind of plug-in, for messages: `environment`.
        plugin: The plug-in; before it is built, its class.
        instead: What draws random numbers properly, for the hint about the global generators.
    """

    def __init__(self, kind: str, plugin: Any, instead: str = "") -> None:
        self.plugin = plugin
        self._name = f"{kind} {label_of(plugin)}"
        self._instead = instead
        kind_of = plugin if isinstance(plugin, type) else type(plugin)
        self._written = written_methods(plugin)
        self._memory = None if ships(kind_of) else MemoryGrowth(self._name)

    def call(
        self,
        method: str,
        arguments: tuple[Any, ...],
        check: Callable[[Any], T],
        place: Callable[[], str] = str,
        *,
        random: bool = False,
        handed: Any = None,
    ) -> T:
        """Return what a method returns, checked.

        Args:
            method: Its name.
            arguments: What it is called with.
            check: Takes what it returned; returns it with plain values.
            place: Returns the user and the round of the call, for messages.
            random: Whether to check that the global generators are left alone.
            handed: What a plug-in that does not ship must leave as it is; None for nothing.

        Raises:
            ContractError: What it returned breaks the contract.
            PluginError: It raised an exception.
        """
        before = global_random() if random else None
        compared = handed is not None and self._memory is not None  # not for one that ships
        as_handed = handed_text(handed) if compared else ""
        resident = 0 if self._memory is None else resident_bytes()
        call = start_call(self._name, self.written(method), place)
        try:
            value = getattr(self.plugin, method)(*arguments)
            if self._memory is not None:
                self._memory.add(self.written(method), resident)
            if before is not None:
                self._check_left_alone(before)
            if compared:
                check_unchanged(as_handed, handed)
            return check(value)
        except (StarecError, InterruptedCall):
            raise
        except KeyboardInterrupt:
            raise interruption() from None
        except (Exception, SystemExit, GeneratorExit, CancelledError) as error:
            raise self.failure(error, method, place()) from cause(error)
        finally:
            leave_call(call)

    def build(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return a new instance of the class of the plug-in.

        Raises:
            PluginError: The constructor raised an exception.
            ContractError: It drew from a global generator.
        """
        before = global_random()
        call = start_call(self._name, "__init__", str)
        try:
            with watched_calls():
                built = self.plugin(*arguments, **named)
            self._check_left_alone(before)
            return built
        except StarecError:
            raise
        except (Exception, SystemExit) as error:
            raise self.failure(error, "__init__", "") from cause(error)
        finally:
            leave_call(call)

    def check(self, what: str, check: Callable[[], T]) -> T:
        """Return what a check of attributes returns.

        Args:
            what: The attributes, for messages.
            check: The check.

        Raises:
            ContractError: They break the contract.
            PluginError: Reading them raised an exception.
        """
        try:
            return check()
        except (StarecError, InterruptedCall):
            raise
        except (Exception, SystemExit) as error:
            raise self.failure(error, "", what) from cause(error)

    def failure(self, error: BaseException, method: str, place: str) -> StarecError:
        """Return the error that names the plug-in and the call."""
        part = error.part if isinstance(error, BrokenContract) else ""
        written = self.written(method, part)
        where = f"{written}({place})" if method else place
        prefix = f"{self._name}, {where}" if where else self._name
        if isinstance(error, BrokenContract):
            line = self.method_line(written)
            return ContractError(f"{prefix}: {error.what}{line}", hint=error.hint or MEND)
        # What raises beside the method that its author wrote, raises because of what it returned.
        anywhere = _line_in(error.__traceback__, "") if written == method else ""
        line = self.own_line(error) or anywhere or self.method_line(written)
        raised = " ".join(f"{type(error).__name__}: {_text_of(error)}".split())
        return PluginError(f"{prefix}: raised {raised}{line}", hint=_hint_for(error))

    def written(self, method: str, part: str = "") -> str:
        """Return the method that the author wrote, of a method of the protocol; see `World`.

        Args:
            method: Of the protocol: `observe`.
            part: The part of what it returned that is meant: `cards`.
        """
        of_method = self._written.get(method, method)
        return self._written.get(f"{method}.{part}", of_method) if part else of_method

    def own_line(self, error: BaseException) -> str:
        """Return ` (shop.py:71)`, the last line of its own code that an exception went through.

        Empty if it went through none.
        """
        return _line_in(error.__traceback__, _folder_of(self.plugin))

    def method_line(self, method: str) -> str:
        """Return ` (shop.py:71)`, where a method, or else the class, begins; empty if unknown."""
        return _line_of(self.plugin, method)

    def _check_left_alone(self, before: GlobalRandom) -> None:
        if folder := moved_to(before):
            raise BrokenContract(
                f"changed the folder that starec runs in to {folder}, so that relative paths of "
                "the run lead elsewhere",
                "use absolute paths, or contextlib.chdir around the lines that need another folder",
            )
        if changed := changed_generators(before):
            raise BrokenContract(
                f"changed the state of the global generator {changed[0]}, so that the same seed "
                "gives other results",
                f"draw from {self._instead}" if self._instead else "use a generator of your own",
            )


def _text_of(error: BaseException) -> str:
    """Return the text of an exception, whose own code may fail."""
    try:
        return str(error)
    except Exception as failed:
        return f"(its text raised {type(failed).__name__})"


def exit_failure(error: SystemExit) -> PluginError:
    """Return the error about a plug-in that called `sys.exit()` on an event loop.

    LangChain asks a model in a task of its own. A `SystemExit` in a task ends the loop, past every
    call that would name the plug-in, so its name is read from the frames.
    """
    named, line = "a plug-in", _line_in(error.__traceback__, "")
    for frame, _ in traceback.walk_tb(error.__traceback__):
        plugin = frame.f_locals.get("self")
        module = type(plugin).__module__.partition(".")[0]
        if module not in SHIPPED and module not in _CALLERS:
            named = f"{label_of(plugin)}, {frame.f_code.co_name}()"
            line = _line_in(error.__traceback__, _folder_of(plugin)) or line
    return PluginError(f"{named}: raised SystemExit: {error}{line}", hint=_hint_for(error))


def complete(plugin: Any, methods: Sequence[str], attributes: Sequence[str] = ()) -> None:
    """Refuse a plug-in that lacks a method or an attribute of its protocol."""
    lacking = [f"{name}()" for name in methods if not callable(getattr(plugin, name, None))]
    lacking += [name for name in attributes if not hasattr(plugin, name)]
    if lacking:
        raise BrokenContract(
            f"lacks {', '.join(lacking)}", "the contract is a class of its own: see docs/plugins.md"
        )


def cause(error: BaseException) -> BaseException | None:
    """Return the exception to chain; a broken contract says everything itself."""
    return None if isinstance(error, BrokenContract) else error


def _hint_for(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "raise an exception in place of sys.exit(), which would end the whole program"
    if isinstance(error, MemoryError):
        return (
            "the process got no more memory: make smaller arrays, and keep no more than a round "
            "needs; lists that grow with each call are a leak"
        )
    if isinstance(error, FrozenInstanceError):
        return "what was handed out stays as it is: make another one with dataclasses.replace"
    if isinstance(error, AttributeError | NameError | ImportError | SyntaxError):
        return "mend the spelling or the import there; --debug shows the traceback"
    return MEND


def _file_of(module: str) -> str:
    return str(getattr(sys.modules.get(module), "__file__", "") or "")


def _line_of(plugin: Any, method: str) -> str:
    """Return ` (shop.py:71)`, where a method, or else the class, begins; empty if unknown."""
    named = plugin if hasattr(plugin, "__qualname__") else type(plugin)
    found = inspect.unwrap(getattr(named, method, None) or named)
    code = getattr(found, "__code__", None)
    if code is not None:
        return f" ({Path(code.co_filename).name}:{code.co_firstlineno})"
    try:
        file, line = inspect.getsourcefile(named), inspect.getsourcelines(named)[1]
    except (OSError, TypeError):  # a class of a notebook, or built in C
        return ""
    return f" ({Path(file).name}:{line})" if file else ""


def _line_in(trace: TracebackType | None, folder: str) -> str:
    """Return ` (shop.py:71)`, the last line of a trace in a folder; this package is left out."""
    frames = [frame for frame in traceback.extract_tb(trace) if _HERE not in frame.filename]
    own = [frame for frame in frames if frame.filename.startswith(folder)]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


def _folder_of(plugin: Any) -> str:
    """Return the folder of a plug-in's file, or of its top package."""
    named = plugin if hasattr(plugin, "__qualname__") else type(plugin)
    return str(Path(_file_of(named.__module__)).resolve().parents[_depth(named.__module__)])


def _depth(module: str) -> int:
    """Return how many folders the top package of a module lies above its file."""
    path = Path(_file_of(module))
    above = module.count(".") - (0 if path.name == "__init__.py" else 1)
    return max(0, min(above, len(path.resolve().parents) - 1))
