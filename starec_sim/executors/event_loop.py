"""Run a coroutine from a plain function, also where an event loop is running already.

A notebook runs its cells inside a loop, and `asyncio.run` is not allowed there. The coroutine then
runs in a loop of its own, in another thread, and the caller waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from starec_sim.boundary import exit_failure
from starec_sim.executors.tracing import tracing

T = TypeVar("T")
_LOOK_S = 0.2
"""How often the caller looks whether its own task was cancelled, as Ctrl-C does in `asyncio.run`.
The task cannot notice by itself, because it waits."""


def run_coroutine(coroutine: Coroutine[Any, Any, T], *, traced: bool = False) -> T:
    """Run a coroutine to its end and return its result.

    Args:
        coroutine: Runs in a new event loop.
        traced: Whether LangChain may send prompts away, see `starec_sim.executors.tracing`.

    Raises:
        KeyboardInterrupt: The user stopped it. The coroutine was cancelled and has ended.
        PluginError: A plug-in called `sys.exit()`, which stopped the loop.

    >>> async def answer():
    ...     return 42
    >>> run_coroutine(answer())
    42
    """
    with tracing(traced):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            in_a_loop = False
        else:
            in_a_loop = True
        try:
            if in_a_loop:
                return _run_in_another_thread(coroutine)
            return asyncio.run(_with_daemon_threads(coroutine))
        except SystemExit as error:
            raise exit_failure(error) from error


async def _with_daemon_threads(coroutine: Coroutine[Any, Any, T]) -> T:
    asyncio.get_running_loop().set_default_executor(_DaemonThreads())
    return await coroutine


class _DaemonThreads(ThreadPoolExecutor):
    """Runs each call in a daemon thread of its own, and does not wait for calls at the end.

    A chat model without async code is called in a thread. If such a call does not return, the
    threads of `ThreadPoolExecutor` would keep the process from ending, also after Ctrl-C.
    """

    def submit(self, function: Callable[..., T], /, *args: Any, **named: Any) -> Future[T]:
        """Start a call in a new thread."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*args, **named)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, daemon=True, name="starec-call").start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Return at once; calls that still run end with the process."""


def _run_in_another_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    caller = asyncio.current_task()
    cancelled_before = caller.cancelling() if caller is not None else 0
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        started.set_result((asyncio.get_running_loop(), task))
        return await coroutine

    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="starec") as thread:
        running = thread.submit(lambda: context.run(asyncio.run, _with_daemon_threads(main())))
        try:
            while not wait([running], _LOOK_S).done:
                if caller is not None and caller.cancelling() > cancelled_before:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            loop, task = started.result()
            loop.call_soon_threadsafe(task.cancel)
            error = running.exception()
            if error is not None and not isinstance(error, asyncio.CancelledError):
                raise error from None  # as `asyncio.run` does
            raise
        return running.result()
