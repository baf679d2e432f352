"""What makes a completion equal to the bit in every batch, on a processor.

A floating-point sum depends on the order of its terms. Libraries choose that order by the shapes of
the matrices, and those depend on who shares a batch. Three rules keep the order the same:

* The rows of a product are padded to a multiple of `ROWS`: fewer are computed by another routine,
  and so is what is left over when several threads share the rows.
* Prompts are padded to a multiple of `LANES` tokens: so many numbers are added up side by side.
* A sum over the tokens of a text is made in blocks of `BLOCK` tokens. A prefix that prompts share
  is read once up to a multiple of `LANES`; of its sums whole blocks are shared.

What is padded is zero, or has no weight; it changes no sum. `test_generation.py` compares batches,
and decision 135 says what was measured and where this does not hold.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

ROWS = 4
LANES = 16
BLOCK = 128


def padded_tokens(tokens: int) -> int:
    """Return the length to which a text is padded.

    >>> padded_tokens(300)
    304
    """
    return tokens + -tokens % LANES


def whole_lanes(tokens: int) -> int:
    """Return the multiple of `LANES` below a number of tokens.

    >>> whole_lanes(300)
    288
    """
    return tokens - tokens % LANES


def padded_rows(rows: Tensor) -> Tensor:
    """Return matrices (..., rows, n), with rows of zeros up to a multiple of `ROWS`."""
    missing = -rows.shape[-2] % ROWS
    if missing == 0 or rows.device.type != "cpu":
        return rows
    return functional.pad(rows, (0, 0, 0, missing))


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return rows @ weight + bias, shape (..., out), of rows (..., in) and a weight (in, out)."""
    matrix = rows.reshape(-1, rows.shape[-1])
    products = (padded_rows(matrix) @ weight)[: len(matrix)].view(*rows.shape[:-1], -1)
    return products if bias is None else products + bias


def add_values(sums: Tensor, weights: Tensor, values: Tensor) -> None:
    """Add weights @ values to sums, block by block.

    Args:
        sums: (n, queries, size); changed in place.
        weights: (n, queries, tokens), from the first token of a block on.
        values: (n, tokens, size).
    """
    tokens = values.shape[1]
    # A graphics card does not give equal bits, and would be asked once for each block.
    block = BLOCK if values.device.type == "cpu" else max(tokens, 1)
    for at in range(0, tokens, block):
        to = min(at + block, tokens)
        sums.baddbmm_(weights[..., at:to], values[:, at:to])
