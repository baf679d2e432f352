"""MovieLens 100K and 1M (Harper and Konstan, 2015), in the format GroupLens publishes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from starec_environments.datasets.assembly import LogRules, LogTable, assemble
from starec_environments.datasets.clean_text import tidy_title, tidy_values
from starec_environments.datasets.columns import Columns, read_table
from starec_environments.datasets.paths import folder, listing, usual_folder
from starec_environments.datasets.quantities import read_ratings, read_times
from starec_environments.datasets.recbole import RecBole
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.types import Item, User

LATIN = "latin-1"

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

TITLE_AND_YEAR = re.compile(r"(.*\S)\s*\((\d{4})\)(?:\s*\(V\))?")
"""`Toy Story (1995)`; `(V)` marks a few films that went straight to video."""


class MovieLens100K:
    """MovieLens 100K: 943 users, 1,682 films, 100,000 ratings.

    Reads the original files (u.data, u.item, u.user, u.genre) or the same data as RecBole's atomic
    files (ml-100k.inter, .item, .user). Items have a `genre` and a `year`, users an `age`,
    `gender` and `occupation`.
    """

    class Config(LogRules):
        """Where the files are."""

        path: Path | None = None
        """The folder with the files; None looks for it in `$STAREC_DATA/ml-100k`,
        `data/ml-100k` and `../shared/data/ml-100k`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: The files are missing, or their format is wrong.
        """
        place = _place(self.config.path, "movielens-100k", "ml-100k", ("u.data", "ml-100k.inter"))
        if not (place / "u.data").is_file():
            rules = self.config.model_dump(include={"unknown", "duplicates"})
            return _as_films(RecBole(RecBole.Config(path=place, name="ml-100k", **rules)).load())
        users = read_table(
            place / "u.user",
            "|",
            encoding=LATIN,
            header=("user", "age", "gender", "occupation", "zip code"),
        )
        people = [
            User(id, {"age": age, "gender": gender, "occupation": occupation})
            for id, age, gender, occupation in _rows(users, "user", "age", "gender", "occupation")
        ]
        log = read_table(
            place / "u.data", "\t", encoding=LATIN, header=("user", "item", "rating", "time")
        )
        return _dataset("movielens-100k", log, people, self._films(place), self.config)

    def _films(self, place: Path) -> list[Item]:
        genres = read_table(place / "u.genre", "|", encoding=LATIN, header=("genre", "place"))
        names = genres.column("genre")
        dates = ("release date", "video date")
        header = ("item", "title", *dates, "url", *names)
        table = read_table(place / "u.item", "|", encoding=LATIN, header=header)
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

    class Config(LogRules):
        """Where the files are."""

        path: Path | None = None
        """The folder with the files; None looks for it in `$STAREC_DATA/ml-1m`, `data/ml-1m`
        and `../shared/data/ml-1m`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: The files are missing, or their format is wrong.
        """
        place = _place(self.config.path, "movielens-1m", "ml-1m", ("ratings.dat",))
        log = _dat(place / "ratings.dat", "user", "item", "rating", "time")
        users = _dat(place / "users.dat", "user", "gender", "age", "occupation", "zip code")
        movies = _dat(place / "movies.dat", "item", "title", "genres")
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
        films = [
            _film(id, title, "", genres.split("|"))
            for id, title, genres in _rows(movies, "item", "title", "genres")
        ]
        return _dataset("movielens-1m", log, people, films, self.config)


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


def _dat(path: Path, *header: str) -> Columns:
    return read_table(path, "::", encoding=LATIN, header=header)


def _rows(table: Columns, *names: str) -> list[tuple[str, ...]]:
    return list(zip(*(table.column(name) for name in names), strict=True))


def _dataset(
    name: str, log: Columns, users: list[User], items: list[Item], rules: LogRules
) -> Dataset:
    return assemble(
        name,
        LogTable(log, read_ratings(log, "rating", None), read_times(log, "time")),
        users=users,
        items=items,
        rules=rules,
    )


def _film(id: str, title: str, year: str, genres: list[str]) -> Item:
    """Return a film. The year in its title goes before `year`; `unknown` is no genre."""
    if found := TITLE_AND_YEAR.fullmatch(title.strip()):
        title, year = found.groups()
    attributes = {"genre": tidy_values([name for name in genres if name != "unknown"], None)}
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
