"""Amazon Reviews of one category, in the public formats of 2014, 2018 and 2023.

McAuley et al. (2015), "Image-based recommendations on styles and substitutes"; Ni et al. (2019),
"Justifying recommendations using distantly-labeled reviews and fine-grained aspects"; Hou et al.
(2024), "Bridging language and items for retrieval and recommendation".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from starec_environments.datasets.amazon_files import category, log_file, product_file
from starec_environments.datasets.amazon_products import read_products
from starec_environments.datasets.amazon_reviews import COLUMNS, Column, read_reviews
from starec_environments.datasets.assembly import LogTable, assemble
from starec_environments.datasets.clean_text import tidy_title
from starec_environments.datasets.files_read import FilesRead
from starec_environments.datasets.paths import folder, listing
from starec_environments.datasets.ratings import with_threshold
from starec_environments.datasets.settings import IdRules, LogRules, UnratedSettings
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.holdout.subset import part
from starec_sim.types import Item


class Amazon:
    """Ratings of one category, read line by line. The texts of reviews are skipped.

    What is left out or filled in is counted in `Dataset.notes`. Times are as in the files:
    seconds in 2014 and 2018, milliseconds in 2023.
    """

    class Config(IdRules, UnratedSettings):
        """Where the files are, and what to do with what is wrong in them."""

        path: Path | None = None
        """The folder with the files."""
        reviews: str | None = None
        """The file of reviews or ratings; needed when the folder holds several."""
        metadata: str | None = None
        """The file of products; None takes meta_CATEGORY beside the reviews, if it is there."""
        item: Literal["parent_asin", "asin"] = "parent_asin"
        """What an item is in the edition of 2023: a product, or each of its variants. Metadata
        knows products only."""
        columns: tuple[Column, ...] | None = None
        """The fields of a file of ratings without a header; when empty, they are recognised by the
        ids."""
        duplicates: Literal["error", "first", "last"] = "last"
        """A user who rated an item again (common here): keep her first or her last rating."""
        bad_lines: Literal["error", "skip"] = "error"
        """Lines that are no record, or lack an id, a rating or a time; `skip` leaves them out and
        counts them."""
        liked_from: float | None = None
        """The fewest stars that are a like; None takes what is above 3."""
        untitled: Literal["keep", "drop"] = "keep"
        """Items without metadata: keep them, titled by their ids, or drop them and their
        ratings."""
        details: dict[str, str] = Field(default_factory=dict)
        """Attribute name to key among a product's details (2023), e.g. `{label: Label}`."""
        full_catalogue: bool = False
        """Whether to keep items that nobody rated."""

        @field_validator("columns")
        @classmethod
        def _each_column_once(cls, columns: tuple[Column, ...] | None) -> tuple[Column, ...] | None:
            if columns is not None and sorted(columns) != sorted(COLUMNS):
                raise ValueError(f"must name each of {', '.join(COLUMNS)} once")
            return columns

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: A file is missing or damaged, or a line is bad and that is an error.
        """
        config = self.config
        place = folder(config.path, "a file of reviews (.json, .jsonl or .csv, perhaps .gz)")
        path = log_file(place, place.iterdir(), config.reviews)
        if path is None:
            raise DataError(
                f"{place} holds no reviews of Amazon's; found: {listing(place)}",
                hint="get some with `starec data get amazon-2018/CDs_and_Vinyl`, or set `reviews`",
            )
        files = FilesRead(config.bad_lines)
        faults = files.open(path, "ratings")
        log, given, times = read_reviews(path, config.item, config.columns, config.unrated, faults)
        ratings = np.array(given, np.float64)
        if config.liked_from is not None:
            ratings = with_threshold(ratings, ratings, config.liked_from, path)
        notes = faults.notes()
        described = self._described(path, set(log.columns["item"]), notes, files)
        items = list(described.values())
        unknown = [id for id in dict.fromkeys(log.columns["item"]) if id not in described]
        if unknown:
            fate = "dropped with their ratings" if config.untitled == "drop" else "titled by ids"
            notes[f"items that no metadata describe ({fate})"] = len(unknown)
        if config.untitled == "keep":
            items += [Item(id, tidy_title(id, id)) for id in unknown]
        dataset = assemble(
            category(path),
            LogTable(log, ratings, np.array(times, np.int64)),
            users=None,
            items=items,
            rules=LogRules(
                unknown="drop", duplicates=config.duplicates, whole_ids=config.whole_ids
            ),
        )
        known = {item.id for item in items}
        again = sum(id in known for id in log.columns["item"]) - len(dataset.log.users)
        if again:
            notes[f"ratings of an item again (the {config.duplicates} counts)"] = again
        if config.untitled == "drop":
            dataset = part(
                dataset, np.bincount(dataset.log.users, minlength=len(dataset.users)) > 0
            )
        return replace(files.finish(dataset), notes=notes)

    def _described(
        self, reviews: Path, met: set[str], notes: dict[str, int], files: FilesRead
    ) -> dict[str, Item]:
        config = self.config
        path = product_file(reviews)
        if config.metadata is not None:
            path = reviews.with_name(config.metadata)
        if path is None:
            return {}
        wanted = None if config.full_catalogue else met
        faults = files.open(path, "items")
        items, left_out = read_products(path, wanted, config.details, faults)
        notes |= left_out
        return items
