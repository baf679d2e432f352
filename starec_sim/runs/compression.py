"""Decompress what is read back from a run's folder, with a bound on what comes out.

A record of a few kilobytes can unfold to gigabytes. What is written here is never near the bounds.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import zstandard

from starec_sim.runs.stored_values import StoredValueError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TEXT = 16 << 20
"""Bytes of one stored text, and of the ids of one turn."""
MAX_ARRAYS = 1 << 30
"""Bytes of the state of an environment, or of the ranks of a contender."""
MAX_ROLLOUTS = 1 << 30
"""Bytes of what one step of a training learns from."""


def unpack_zstd(
    data: object, decompressor: zstandard.ZstdDecompressor, limit: int = MAX_TEXT
) -> bytes:
    """Return the bytes of a frame that says how many they are, at most `limit`.

    Raises:
        StoredValueError: It does not say so, or says more.
        ZstdError: It is damaged.
    """
    if not isinstance(data, bytes):
        raise StoredValueError(f"a compressed text is {data!r:.80}, and no bytes")
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= limit:
        says = f"unfolds to {size:,} bytes" if size >= 0 else "does not say its size"
        raise StoredValueError(f"a compressed text {says}, the bound is {limit:,}")
    return decompressor.decompress(data)


def unpack_zlib(data: object, limit: int) -> bytes:
    """Return the bytes of a zlib stream.

    Raises:
        StoredValueError: They are more than `limit`, or the stream ends too early.
        zlib.error: It is damaged.
    """
    if not isinstance(data, bytes):
        raise StoredValueError(f"compressed data is {data!r:.80}, and no bytes")
    stream = zlib.decompressobj()
    unpacked = stream.decompress(data, limit)
    if not stream.eof:
        reason = f"unfolds to more than {limit:,} bytes" if len(unpacked) >= limit else "is cut off"
        raise StoredValueError(f"compressed data {reason}")
    return unpacked


def read_arrays(file: BinaryIO) -> Mapping[str, NDArray[Any]]:
    """Return the arrays that `numpy.savez` wrote; they have at most `MAX_ARRAYS` bytes.

    Raises:
        StoredValueError: The file is damaged, or holds more.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(file) as members:
            size = sum(member.file_size for member in members.infolist())
        if size > MAX_ARRAYS:
            raise StoredValueError(f"arrays of {size:,} bytes, the bound is {MAX_ARRAYS:,}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except StoredValueError:
        raise
    except Exception as error:
        # zipfile and numpy meet damage with errors of many kinds: from SyntaxError to MemoryError.
        raise StoredValueError(f"arrays cannot be read: {error}") from error


def dump_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode the environment's state."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
    return zlib.compress(buffer.getbuffer(), 1)


def load_arrays(blob: object) -> Mapping[str, NDArray[Any]]:
    """Decode what `dump_arrays` wrote.

    Raises:
        StoredValueError: It is damaged, or larger than `MAX_ARRAYS`.
        zlib.error: It is damaged.
    """
    return read_arrays(io.BytesIO(unpack_zlib(blob, MAX_ARRAYS)))
