"""Text files in any encoding, plain or gzip."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path
from shlex import quote

from starec_sim.errors import DataError, near_name

GZIP = b"\x1f\x8b"
SURE_BYTES = 64 << 20
"""A packed file may always unpack to so many bytes, and to 100 times its size."""
_ZIP = b"PK\x03\x04"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, and the encoding that each of them says."""


def read_text(path: Path, encoding: str) -> str:
    """Return a file's text, without a byte order mark and with plain line feeds.

    Args:
        path: The file, which may be packed with gzip.
        encoding: Its name in Python; a byte order mark in the file counts more.

    Raises:
        DataError: The file is missing, empty, not a file, damaged, or not in this encoding.
    """
    data = read_data(path)
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    text = _decoded(path, data, marked or encoding)
    if "\0" in text:
        raise DataError(
            f"{path}, line {text.count(chr(10), 0, text.index(chr(0))) + 1}: there is a NUL "
            f"character, so this is no text in {marked or encoding}",
            hint="a file of UTF-16 without a byte order mark needs --set data.encoding=utf-16-le "
            "(or utf-16-be)",
        )
    if not text.strip():
        raise DataError(f"{path} is empty", hint="check that the download is complete")
    return text.replace("\r\n", "\n")


def read_data(path: Path) -> bytes:
    """Return the bytes of a file, unpacked.

    Raises:
        DataError: The file is missing, not a file, or damaged.
    """
    try:
        data = path.read_bytes()
        if data.startswith(GZIP):
            limit = unpacked_limit(len(data))
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(limit + 1)
            if len(data) > limit:
                raise unpacks_too_far(path, limit)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    if data.startswith(_ZIP):
        raise DataError(f"{path} is a zip archive", hint=f"unpack it first: unzip {path}")
    return data


def unpacked_limit(size: int) -> int:
    """Return how many bytes a packed file of some size may unpack to."""
    return max(SURE_BYTES, 100 * size)


def unpacks_too_far(path: Path, limit: int) -> DataError:
    """Return the error of a file that unpacks to more than it may."""
    return DataError(
        f"{path} unpacks to more than {limit:,} bytes, over 100 times its size, so it was not read",
        hint=f"if that is right, unpack it and read the unpacked file: gzip -dk {quote(str(path))}",
    )


def unreadable(path: Path, error: OSError | EOFError | zlib.error, where: str = "") -> DataError:
    """Return the error of a file that cannot be read or unpacked.

    Args:
        path: The file.
        error: What reading it raised.
        where: Up to where it was read, e.g. ` after line 3`.
    """
    if isinstance(error, FileNotFoundError):
        return no_file(path)
    if isinstance(error, EOFError | gzip.BadGzipFile | zlib.error):
        return DataError(
            f"{path} breaks off or is damaged{where}: {error}",
            hint="get the file again: the download was not complete",
        )
    return DataError(f"{path} cannot be read: {error.strerror or error}")


def no_file(path: Path) -> DataError:
    """Return the error that a file is not there, with the nearest of those that are."""
    names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    near = near_name(path.name, names[:1000])
    return DataError(
        f"there is no file {path}",
        hint=near or "check the path and that the download is complete",
    )


def first_text(path: Path, encoding: str, size: int) -> str:
    """Return the first characters of a file, for a look; empty when it cannot be read as text."""
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == GZIP
            data = gzip.GzipFile(fileobj=file).read(size) if packed else file.read(size)
        marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
        text = codecs.getincrementaldecoder(marked or encoding)("replace").decode(data)
    except (OSError, EOFError, zlib.error, LookupError):
        return ""
    return "" if "\0" in text else text.removeprefix("\ufeff").replace("\r\n", "\n")


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte {error.start} is 0x{data[error.start]:02x}, "
            f"which is not {encoding}",
            hint="name the file's own encoding, e.g. --set data.encoding=latin-1 or =cp1252",
        ) from None
    except (LookupError, ValueError):
        raise DataError(
            f'there is no encoding called "{encoding}"',
            hint="e.g. --set data.encoding=latin-1; others are utf-8 and cp1252",
        ) from None
