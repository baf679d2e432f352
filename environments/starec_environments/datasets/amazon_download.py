"""Download of Amazon Reviews: the ratings and the products of a category, not the review texts.

The ratings alone are a tenth of the bytes, and nothing here uses the texts. There are no published
checksums of these files. So their length and kind are checked, and their SHA-256 are written beside
them, with which two users can compare their files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from starec_environments.datasets.amazon_files import Kind, kind_of
from starec_environments.datasets.http import Opener, Progress, retrieve, urlopen
from starec_sim.errors import DataError, did_you_mean

_UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"
_SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"

EDITIONS: Mapping[str, Mapping[Kind, str]] = {
    "amazon-2014": {
        "ratings": f"{_SNAP}/ratings_{{}}.csv",
        "products": f"{_SNAP}/meta_{{}}.json.gz",
    },
    "amazon-2018": {
        "ratings": f"{_UCSD}/amazon_v2/categoryFilesSmall/{{}}.csv",
        "products": f"{_UCSD}/amazon_v2/metaFiles2/meta_{{}}.json.gz",
    },
    "amazon-2023": {
        "ratings": f"{_UCSD}/amazon_2023/benchmark/0core/rating_only/{{}}.csv.gz",
        "products": f"{_UCSD}/amazon_2023/raw/meta_categories/meta_{{}}.jsonl.gz",
    },
}
"""Edition to its files; `{}` stands for a category such as `CDs_and_Vinyl`."""
SIZE_LIMIT = 20 * 10**9
SUMS = "SHA256SUMS"


def fetch_category(
    name: str,
    into: Path,
    opener: Opener | None = None,
    *,
    editions: Mapping[str, Mapping[Kind, str]] = EDITIONS,
    progress: Progress | None = None,
) -> Path:
    """Download a category, unless it is there already.

    Files are written into NAME.part, which is renamed to the dataset's folder when all are there.
    When one fails, the others are kept.

    Args:
        name: `EDITION/CATEGORY`, e.g. `amazon-2018/CDs_and_Vinyl`.
        into: The folder that will hold the dataset's folder.
        opener: How to open a URL; urllib by default.
        editions: The files of each edition, and their addresses.
        progress: Called after every chunk, for each file anew.

    Returns:
        The dataset's folder.

    Raises:
        DataError: No such edition or category, no network, or a file of another kind.
    """
    edition, _, category = name.partition("/")
    if edition not in editions or not re.fullmatch(r"\w+", category, re.ASCII):
        near = "" if edition in editions else f"; {did_you_mean(edition, editions)}"
        raise DataError(
            f'"{name}" names no category of Amazon Reviews{near}',
            hint="it is written like amazon-2018/CDs_and_Vinyl, with the category as in the names "
            "of the published files",
        )
    target = into / f"{edition}-{category}"
    if target.is_dir():
        return target
    part = target.with_name(f"{target.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    sums = []
    for kind, pattern in editions[edition].items():
        path = _fetch_file(pattern.format(category), kind, part, opener or urlopen, progress)
        with path.open("rb") as file:
            sums.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    (part / SUMS).write_text("".join(sums))
    part.replace(target)
    return target


def _fetch_file(
    url: str, kind: Kind, into: Path, opener: Opener, progress: Progress | None
) -> Path:
    """Download one file, unless it is there already, and check that it is of the kind wanted."""
    path = into / url.rsplit("/", 1)[-1]
    if not path.is_file():
        arriving = path.with_name(f"{path.name}.part")
        by_hand = f"check the category's name; or download {url} elsewhere and put it at {path}"
        retrieve(url, arriving, SIZE_LIMIT, by_hand, opener, progress)
        arriving.replace(path)
    if (found := kind_of(path)) != kind:
        path.unlink()
        raise DataError(
            f"{url} holds {found or 'nothing known'}, not {kind}; what came was removed",
            hint="open the address in a browser: it may have moved, or need a login",
        )
    return path
