"""Completions in the making."""

from __future__ import annotations

from starec_sim.policies.engine.protocol import Completion, Finish, Request


class Row:
    """One completion in the making."""

    __slots__ = ("finish", "ids", "logprobs", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.finish: Finish | None = None

    def take(self, token: int, logprob: float) -> None:
        """Append a token, unless the completion has ended."""
        if self.finish is not None:
            return
        self.ids.append(token)
        self.logprobs.append(logprob)
        request = self.request
        ended = request.watch is not None and request.watch(token)
        if token in request.sampling.stop or ended:
            self.finish = "stop"
        elif len(self.ids) >= request.sampling.max_tokens:
            self.finish = "length"

    def completion(self, version: str) -> Completion:
        """Return what was sampled."""
        assert self.finish is not None
        return Completion(tuple(self.ids), tuple(self.logprobs), self.finish, version)
