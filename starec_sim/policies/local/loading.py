"""Reading a model once, in a thread, for all callers that need it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from starec_sim.errors import PolicyError

if TYPE_CHECKING:
    from starec_sim.policies.engine.loaded_model import LoadedModel


class LazyModel:
    """A model that is read at the first call, and by the first caller only.

    Args:
        read: Reads the model.
    """

    def __init__(self, read: Callable[[], LoadedModel]) -> None:
        self._read = read
        self._future: Future[LoadedModel] | None = None
        self._lock = threading.Lock()

    def get(self) -> LoadedModel:
        """Return the model; wait until it is read.

        Raises:
            PolicyError: It cannot be read; a later call tries again.
        """
        return self._start().result()

    async def get_async(self) -> LoadedModel:
        """Do what `get` does, without blocking the event loop."""
        # Shielded: a caller who is cancelled must not cancel what others wait for.
        return await asyncio.shield(asyncio.wrap_future(self._start()))

    def close(self) -> None:
        """End the engine's thread, if the model was read."""
        future = self._future
        if future is not None and future.done() and future.exception() is None:
            future.result().batcher.close()

    def _start(self) -> Future[LoadedModel]:
        """Begin to read the model, unless that has begun; all callers get the same future."""
        with self._lock:
            if self._future is None:
                self._future = Future()
                threading.Thread(target=self._work, args=(self._future,), daemon=True).start()
            return self._future

    def _work(self, future: Future[LoadedModel]) -> None:
        try:
            model = self._read()
        except BaseException as error:
            if isinstance(error, PolicyError):
                error.cause = "closed"  # no call can be answered without a model
            with self._lock:
                self._future = None
            future.set_exception(error)
        else:
            future.set_result(model)
