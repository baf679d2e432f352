"""A completion that is being sampled."""

from __future__ import annotations

from starec_sim.policies.engine.protocol import Completion, Finish, Request


class PartialCompletion:
    """One row of a batch: the tokens that were sampled so far.

    Args:
        request: What was asked for.
    """

    __slots__ = ("finish", "ids", "logprobs", "matcher", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.finish: Finish | None = None
        self.matcher = request.grammar.deep_copy() if request.grammar else None
        """How far the completion is in its grammar."""

    def append(self, token: int, logprob: float) -> None:
        """Append a token, unless the completion has ended."""
        if self.finish is not None:
            return
        self.ids.append(token)
        self.logprobs.append(logprob)
        request, matcher = self.request, self.matcher
        if matcher is not None:
            matcher.consume_token(token)
        ended = request.watch is not None and request.watch(token)
        if token in request.sampling.stop or ended:
            self.finish = "stop"
        elif matcher is not None and not request.sampling.stop and matcher.is_stopped():
            self.finish = "stop"  # the model has no token that ends an answer
        elif len(self.ids) >= request.sampling.max_tokens:
            self.finish = "length"

    def completion(self, version: str) -> Completion:
        """Return the finished completion."""
        assert self.finish is not None
        return Completion(tuple(self.ids), tuple(self.logprobs), self.finish, version)
