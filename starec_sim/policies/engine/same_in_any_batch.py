"""What makes a completion equal to the bit in every batch, on a processor.

A floating-point sum depends on the order of its terms. Libraries choose that order by the shapes of
the matrices, and those depend on who shares a batch. Four rules keep the order the same:

* The rows of a product are padded to a multiple of `ROWS`: fewer are computed by another routine,
  and so is what is left over when several threads share the rows.
* Prompts are padded to a multiple of `LANES` tokens: so many numbers are added up side by side.
* A sum over the tokens of a text is made in blocks of `BLOCK` tokens. A prefix that prompts share
  is read once up to a multiple of `LANES`; of its sums whole blocks are shared.
* A product in bf16 has more than `_SMALL` multiplications: torch makes smaller ones by itself.

What is padded is zero, or has no weight; it changes no sum. `test_generation.py` compares batches,
and decision 135 says what was measured and where this does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

ROWS = 4
LANES = 16
BLOCK = 128
_SMALL = 16**3
"""Up to so many multiplications torch does not call oneDNN for a product in bf16."""


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


def padded_rows(rows: Tensor, least: int = 0) -> Tensor:
    """Return matrices (..., rows, n), with rows of zeros up to a multiple of `ROWS`.

    Args:
        rows: The matrices.
        least: There are so many rows at least.
    """
    count = max(rows.shape[-2], least)
    missing = count + -count % ROWS - rows.shape[-2]
    if missing == 0 or rows.device.type != "cpu":
        return rows
    return functional.pad(rows, (0, 0, 0, missing))


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return rows @ weight + bias, shape (..., out), of rows (..., in) and a weight (in, out)."""
    matrix = rows.reshape(-1, rows.shape[-1])
    products = times(matrix, weight).view(*rows.shape[:-1], -1)
    return products if bias is None else products + bias


def times(rows: Tensor, matrix: Tensor) -> Tensor:
    """Return rows @ matrix, shape (..., m, n), of (..., m, k) and (..., k, n).

    On a processor rows of zeros are appended for the product, as the rules of this module say.
    """
    m, k, n = *rows.shape[-2:], matrix.shape[-1]
    small = rows.dtype == torch.bfloat16 and m * k * n <= _SMALL
    padded = padded_rows(rows, _SMALL // (k * n) + 1 if small else m)
    return (padded @ matrix)[..., :m, :]


def blocks(values: Tensor) -> tuple[Tensor, ...]:
    """Cut values (..., tokens, size) into blocks of `BLOCK` tokens; the last may be shorter."""
    # A graphics card does not give equal bits, and would be asked once for each block.
    return torch.split(values, BLOCK, -2) if values.device.type == "cpu" else (values,)


def add_values(sums: Tensor, weights: Tensor, values: Iterable[Tensor]) -> None:
    """Add weights @ values to sums, block by block.

    Args:
        sums: In fp32, (n, queries, size); changed in place.
        weights: (n, queries, tokens).
        values: The blocks of the same tokens, each (n, tokens of the block, size).
    """
    at = 0
    for block in values:
        part = weights[..., at : at + block.shape[1]]
        # `baddbmm` takes one format; a product in bf16 is added up in fp32.
        if block.dtype == sums.dtype:
            sums.baddbmm_(part, block)
        else:
            sums += times(part, block)
        at += block.shape[1]
