"""MovieLens 100K, 1M and 10M (Harper and Konstan, 2015), as GroupLens publishes them.

MovieLens 20M, 25M, 32M and latest are CSV files, which the reader `csv` reads.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from starec_environments.datasets.assembly import LogTable, assemble
from starec_environments.datasets.clean_text import tidy_title, tidy_values
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.files_read import FilesRead
from starec_environments.datasets.paths import folder, listing, usual_folder
from starec_environments.datasets.rating_questions import RatingColumn
from starec_environments.datasets.ratings import read_ratings
from starec_environments.datasets.recbole import RecBole
from starec_environments.datasets.settings import BadLines, LogRules, RatingSettings
from starec_environments.datasets.text_tables import TextFormat, read_table
from starec_environments.datasets.times import read_times
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.types import Item, User

LATIN = "latin-1"
LOG = ("user", "item", "rating", "time")
HELD = {
    **{"u.data": "interactions", "u.user": "users", "u.item": "items", "u.genre": "genres"},
    **{"ratings.dat": "interactions", "users.dat": "users", "movies.dat": "items"},
}
"""File to what it holds."""
WHOLE_STARS, HALF_STARS = (1.0, 5.0), (0.5, 5.0)

AGES = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56 or older",
}
OCCUPATIONS = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)
"""The codes of users.dat, in words, as the README of MovieLens 1M has them."""

NO_GENRES = ("unknown", "(no genres listed)")

TITLE_AND_YEAR = re.compile(r"(.*\S)\s*\((\d{4})\)(?:\s*\(V\))?")
"""`Toy Story (1995)`; `(V)` marks a few films that went straight to video."""


class FilmSettings(LogRules, RatingSettings):
    """Settings of all of them."""

    path: Path | None = None
    """The folder with the files; None looks for `ml-100k` or `ml-1m` in `$STAREC_DATA`, `data` and
    `../shared/data`."""
    encoding: str = LATIN
    bad_lines: BadLines = "error"
    """Lines that cannot be read; `skip` leaves them out and counts them."""


class MovieLens100K:
    """MovieLens 100K: 943 users, 1,682 films, 100,000 ratings.

    Reads the original files (u.data, u.item, u.user, u.genre) or the same data as RecBole's atomic
    files (ml-100k.inter, .item, .user). Items have a `genre` and a `year`, users an `age`,
    `gender` and `occupation`.
    """

    class Config(FilmSettings):
        """Where the files are."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: The files are missing, or their format is wrong.
        """
        config = self.config
        place = _place(config.path, "movielens-100k", "ml-100k", ("u.data", "ml-100k.inter"))
        if not (place / "u.data").is_file():
            # Unless it is set, the encoding is that of the original files.
            kept = config.model_fields_set & {"encoding"}
            same = config.model_dump(exclude={"path", "encoding"} - kept)
            same["rating_scale"] = config.rating_scale or WHOLE_STARS
            return _as_films(RecBole(RecBole.Config(path=place, name="ml-100k", **same)).load())
        files = _Files(place, config)
        users = files.table("u.user", "|", "user", "age", "gender", "occupation", "zip code")
        people = [
            User(id, {"age": age, "gender": gender, "occupation": occupation})
            for id, age, gender, occupation in _rows(users, "user", "age", "gender", "occupation")
        ]
        log = files.table("u.data", "\t", *LOG)
        return files.dataset("movielens-100k", log, people, self._films(files), WHOLE_STARS)

    def _films(self, files: _Files) -> list[Item]:
        genres = files.table("u.genre", "|", "genre", "place")
        names = genres.column("genre")
        dates = ("release date", "video date")
        table = files.table("u.item", "|", "item", "title", *dates, "url", *names)
        flags = list(zip(*(table.column(name) for name in names), strict=True))
        films = []
        for row, (id, title, date) in enumerate(_rows(table, "item", "title", "release date")):
            if odd := set(flags[row]) - {"0", "1"}:
                raise DataError(f'{table.at(row)}: a genre flag is "{odd.pop()}"; expected 0 or 1')
            marked = [name for name, flag in zip(names, flags[row], strict=True) if flag == "1"]
            films.append(_film(id, title, date[-4:], marked))
        return films


class MovieLens1M:
    """MovieLens 1M: 6,040 users, 3,883 films, 1,000,209 ratings.

    Reads the original files (ratings.dat, movies.dat, users.dat). Items have a `genre` and a
    `year`, users an `age` (a range), `gender` and `occupation`.
    """

    class Config(FilmSettings):
        """Where the files are."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: The files are missing, or their format is wrong.
        """
        files = _Files(
            _place(self.config.path, "movielens-1m", "ml-1m", ("ratings.dat",)), self.config
        )
        log = files.table("ratings.dat", "::", *LOG)
        users = files.table("users.dat", "::", "user", "gender", "age", "occupation", "zip code")
        people = []
        for row, (id, gender, age, job) in enumerate(
            _rows(users, "user", "gender", "age", "occupation")
        ):
            if age not in AGES or not (job.isdecimal() and int(job) < len(OCCUPATIONS)):
                raise DataError(
                    f"{users.at(row)}: age {age} or occupation {job} is not a code of MovieLens 1M",
                    hint=f"ages are {', '.join(AGES)}; occupations 0 to {len(OCCUPATIONS) - 1}",
                )
            profile = {"age": AGES[age], "gender": gender, "occupation": OCCUPATIONS[int(job)]}
            people.append(User(id, profile))
        return files.dataset("movielens-1m", log, people, _dat_films(files), WHOLE_STARS)


class MovieLens10M:
    """MovieLens 10M: 69,878 users who rated, 10,681 films, 10,000,054 ratings in half stars.

    Reads the original files (ratings.dat, movies.dat). Items have a `genre` and a `year`.
    """

    class Config(FilmSettings):
        """Where the files are."""

        encoding: str = "utf-8"

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: The files are missing, or their format is wrong.
        """
        place = folder(self.config.path, "ratings.dat and movies.dat of MovieLens 10M")
        files = _Files(place, self.config)
        log = files.table("ratings.dat", "::", *LOG)
        return files.dataset("movielens-10m", log, None, _dat_films(files), HALF_STARS)


def _place(path: Path | None, dataset: str, name: str, signs: tuple[str, ...]) -> Path:
    if path is None:
        return usual_folder(name, signs, dataset)
    place = folder(path, " or ".join(signs))
    if not any((place / sign).is_file() for sign in signs):
        raise DataError(
            f"{place} holds neither {' nor '.join(signs)}; found: {listing(place)}",
            hint=f"get the data with `starec data get {dataset}`, or check the path",
        )
    return place


class _Files:
    """The files of a folder, which have no headers."""

    def __init__(self, place: Path, config: FilmSettings) -> None:
        self._place, self._config = place, config
        self._read = FilesRead(config.bad_lines)

    def table(self, name: str, separator: str, *header: str) -> Columns:
        """Return the table of a file."""
        path = self._place / name
        form = TextFormat(separator, self._config.encoding, header)
        return read_table(path, form, self._read.open(path, HELD[name]))

    def dataset(
        self,
        name: str,
        log: Columns,
        users: list[User] | None,
        items: list[Item],
        scale: tuple[float, float],
    ) -> Dataset:
        """Return the dataset of a log whose columns are `LOG`."""
        config, faults = self._config, self._read.rows_of(log.path)
        meaning = RatingSettings(
            rating_scale=config.rating_scale or scale,
            liked_from=config.liked_from,
            unrated=config.unrated,
        )
        times = read_times(log, "time", "", None, faults)
        ratings = read_ratings(log, RatingColumn("rating"), meaning, faults, ".")
        table = LogTable(log, ratings, times, faults=faults)
        return self._read.finish(assemble(name, table, users, items, config))


def _dat_films(files: _Files) -> list[Item]:
    movies = files.table("movies.dat", "::", "item", "title", "genres")
    return [
        _film(id, title, "", genres.split("|"))
        for id, title, genres in _rows(movies, "item", "title", "genres")
    ]


def _rows(table: Columns, *names: str) -> list[tuple[str, ...]]:
    return list(zip(*(table.column(name) for name in names), strict=True))


def _film(id: str, title: str, year: str, genres: list[str]) -> Item:
    """Return a film. The year in its title goes before `year`; `unknown` is no genre."""
    if found := TITLE_AND_YEAR.fullmatch(title.strip()):
        title, year = found.groups()
    attributes = {"genre": tidy_values([name for name in genres if name not in NO_GENRES], None)}
    if re.fullmatch(r"\d{4}", year):
        attributes["year"] = (year,)
    named = {name: values for name, values in attributes.items() if values}
    return Item(id, tidy_title(title, id), named)


def _as_films(dataset: Dataset) -> Dataset:
    """Return RecBole's items with the attributes that the original files give."""
    films = tuple(
        _film(
            item.id,
            item.title,
            "".join(item.attributes.get("year", ())),
            list(item.attributes.get("class", ())),
        )
        for item in dataset.items
    )
    return replace(dataset, name="movielens-100k", items=films)
