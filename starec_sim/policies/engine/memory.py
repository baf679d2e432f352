"""What an engine does when the memory runs out: fewer at once, then an honest word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from starec_sim.errors import PolicyError
from starec_sim.policies.engine.protocol import Completion, Request


def halving(
    generate: Callable[[Sequence[Request]], list[Completion]], requests: Sequence[Request]
) -> list[Completion]:
    """Generate, with half of the batch at a time whenever the memory does not hold it.

    Raises:
        PolicyError: It does not hold one completion.
    """
    if not requests:
        return []
    try:
        return generate(requests)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
    # Outside the handler, where the traceback would keep the tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(requests) == 1:
        prompt, limit = len(requests[0].prompt), requests[0].sampling.max_tokens
        raise PolicyError(
            f"out of memory with a single completion: {prompt:,} tokens of prompt, "
            f"max_tokens = {limit:,}",
            hint="lower max_tokens, show the user less, take a smaller model or dtype: bf16",
            # Others may be a little shorter, but a run at the edge of the memory is no run.
            cause="closed",
        )
    half = len(requests) // 2
    return halving(generate, requests[:half]) + halving(generate, requests[half:])


def _is_out_of_memory(error: Exception) -> bool:
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "allocate memory" in str(error)
        or "out of memory" in str(error)
    )
