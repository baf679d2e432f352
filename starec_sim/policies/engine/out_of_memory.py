"""When the memory does not suffice for a batch: half of it at a time, then an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from starec_sim.errors import PolicyError
from starec_sim.policies.engine.protocol import Completion, Request


def halve_on_out_of_memory(
    generate: Callable[[Sequence[Request]], list[Completion]], requests: Sequence[Request]
) -> list[Completion]:
    """Generate a batch; split it in halves as long as the memory does not suffice.

    Args:
        generate: Generates the completions of some requests, in their order.
        requests: The batch.

    Raises:
        PolicyError: The memory does not suffice for a single completion.
    """
    if not requests:
        return []
    try:
        return generate(requests)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
    # Outside the handler: inside, the traceback would keep the tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(requests) == 1:
        prompt, limit = len(requests[0].prompt), requests[0].sampling.max_tokens
        raise PolicyError(
            f"out of memory with a single completion: {prompt:,} tokens of prompt, "
            f"max_tokens = {limit:,}",
            hint="lower max_tokens, show the user less, take a smaller model or dtype: bf16",
            # A shorter prompt might fit, but then the run would fail at the next long one.
            cause="closed",
        )
    half = len(requests) // 2
    first = halve_on_out_of_memory(generate, requests[:half])
    return first + halve_on_out_of_memory(generate, requests[half:])


def _is_out_of_memory(error: Exception) -> bool:
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "allocate memory" in str(error)
        or "out of memory" in str(error)
    )
