"""Download of public data: MovieLens as checked archives, and categories of Amazon Reviews."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starec_environments.datasets.amazon_download import EDITIONS, fetch_category
from starec_environments.datasets.http import Opener, Progress, retrieve, urlopen
from starec_sim.errors import DataError, did_you_mean
from starec_sim.settings import warn_of_old_name


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip file on the web that holds one folder."""

    url: str
    md5: str
    """As GroupLens publishes it beside the archive."""
    folder: str
    """The folder within the archive."""
    size_limit: int = 200_000_000
    """Bytes, packed and unpacked; a larger archive is not the published one."""


ARCHIVES: Mapping[str, Archive] = {
    name: Archive(f"https://files.grouplens.org/datasets/movielens/{folder}.zip", md5, folder)
    for name, folder, md5 in (
        ("movielens-100k", "ml-100k", "0e33842e24a9c977be4e0107933c0723"),
        ("movielens-1m", "ml-1m", "c4d9eecfca2ab87c1945afe126590906"),
    )
}
"""By the name of the dataset; GroupLens names archive and folder otherwise."""


def fetch(
    name: str,
    into: Path,
    opener: Opener | None = None,
    *,
    archives: Mapping[str, Archive] = ARCHIVES,
    progress: Progress | None = None,
) -> Path:
    """Download a dataset, unless it is there already.

    An archive is written to FOLDER.zip.part and renamed when it is complete and its checksum is
    right. The folder appears in one step. If `into` holds a FOLDER.zip already, that is used and
    nothing is downloaded; so a file that was downloaded by hand can be used.

    Args:
        name: A key of `archives`, or a category such as `amazon-2018/CDs_and_Vinyl`.
        into: The folder that will hold the dataset's folder; made when it is missing.
        opener: How to open the URL; urllib by default.
        archives: The archives that can be downloaded.
        progress: Called after every chunk.

    Returns:
        The dataset's folder.

    Raises:
        DataError: No network, a broken or wrong archive, or no place to write.
    """
    into = into.expanduser()
    if name.startswith("amazon-"):
        try:
            return fetch_category(name, into, opener, progress=progress)
        except OSError as error:
            raise _unwritable(into, error) from error
    for present, archive in archives.items():
        if name == archive.folder and name not in archives:
            warn_of_old_name(f"the dataset {name}", present)
            name = present
    if name not in archives:
        known = [*archives, *(f"{edition}/CATEGORY" for edition in EDITIONS)]
        raise DataError(
            f'there is no dataset "{name}" to get; {did_you_mean(name, known)}',
            hint="other data: put the files somewhere and point --data at them",
        )
    archive = archives[name]
    target, packed = into / archive.folder, into / f"{archive.folder}.zip"
    if target.is_dir():
        return target
    try:
        into.mkdir(parents=True, exist_ok=True)
        if packed.is_file():
            _check(archive, packed)
        else:
            _download(archive, packed, target, opener or urlopen, progress)
        _unpack(archive, packed, target)
        packed.unlink()
    except OSError as error:
        raise _unwritable(into, error) from error
    return target


def _download(
    archive: Archive, packed: Path, target: Path, opener: Opener, progress: Progress | None
) -> None:
    """Download an archive to `packed`; the file appears when its checksum is right."""
    part = packed.with_name(packed.name + ".part")
    by_hand = (
        f"download {archive.url} elsewhere and put it at {packed}, then run this again; "
        f"or unpack it to {target} yourself"
    )
    retrieve(archive.url, part, archive.size_limit, by_hand, opener, progress)
    _check(archive, part)
    part.replace(packed)


def _unwritable(into: Path, error: OSError) -> DataError:
    return DataError(f"cannot write to {into}: {error}", hint="choose another folder")


def _check(archive: Archive, path: Path) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != archive.md5:
        raise DataError(
            f"{path} is not the published archive: its MD5 is {found}, expected {archive.md5}",
            hint=f"delete the file and get it again from {archive.url}",
        )


def _unpack(archive: Archive, packed: Path, target: Path) -> None:
    """Unpack the folder of an archive; `target` appears when all of it is unpacked."""
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        with zipfile.ZipFile(packed) as opened:
            for member in _members(opened, archive):
                inner = PurePosixPath(member.filename).relative_to(archive.folder)
                place = part.joinpath(*inner.parts)
                if member.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, place.open("wb") as file:
                    shutil.copyfileobj(source, file)
        part.replace(target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{packed} cannot be unpacked: {error}",
            hint=f"delete the file and get it again from {archive.url}",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _members(opened: zipfile.ZipFile, archive: Archive) -> list[zipfile.ZipInfo]:
    """Return the members of an archive, once they are checked.

    All must be plain files or folders, inside the folder of the archive, and not too large
    together.
    """
    members = opened.infolist()
    for member in members:
        path = PurePosixPath(member.filename)
        outside = path.is_absolute() or ".." in path.parts or path.parts[:1] != (archive.folder,)
        if outside or "\\" in member.filename or stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(
                f'the archive holds "{member.filename}", which is not a file within '
                f"{archive.folder}/; nothing was unpacked",
                hint=f"get the archive from {archive.url}",
            )
    # zipfile reads no more than the declared size, and then checks the checksum.
    if (size := sum(member.file_size for member in members)) > archive.size_limit:
        raise DataError(
            f"the archive would unpack to {size} bytes, more than {archive.size_limit}",
            hint=f"get the archive from {archive.url}",
        )
    return members
