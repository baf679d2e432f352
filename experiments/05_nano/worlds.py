"""Generated worlds of great variety, from which the corpus takes its items and users.

A world has attributes with their own names and values (as of films, records, books, dishes, ...), a
catalogue, and users with tastes. Half of all values are made-up words. A model cannot know these in
advance; it has to look them up in the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from starec_environments.datasets import synthetic_titles
from starec_sim import Item

Rng = np.random.Generator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONSETS = _words("b b br c ch d d f f g gr h j k k l l m m n n p p r r s s st t t th v v w y z")
_VOWELS = _words("a a a e e e i i o o o u u ai ea ou y")
_CODAS = ("",) * 12 + _words("n r l s t m x k d ck nd rt ss")

_ARTICLES = _words("The The The The A A An La Le L' El Die")
_JOINTS = (": ", ", ", " & ", " and ", " - ", "! ", "? ", ". ", " / ")
"""The text between the two halves of a long title."""

_NAMES = {
    "many": _words("""
        genre category class style topic theme tag mood kind subject cuisine flavour material sound
        setting mechanic skill
    """),
    "maker": _words("""
        maker director author artist brand label studio publisher chef designer composer narrator
        producer host developer farm
    """),
    "era": _words("era year decade release vintage season edition"),
    "few": _words("country language format length price size level region audience"),
}
"""Attribute names by kind: several values (many), one of many (maker), a time (era), one of few."""

_FEW = tuple(
    _words(line)
    for line in (
        "France Japan Brazil Kenya Norway India Mexico Poland Egypt Canada",
        "English French Hindi Spanish Korean Arabic German Danish",
        "short medium long endless",
        "cheap fair dear precious",
        "small large huge tiny",
        "children teens adults families",
        "vinyl tape stream disc paperback hardcover",
    )
)

_MANY = [
    synthetic_titles.GENRES,
    """Action, Adventure, Animation, Children's, Comedy, Crime, Documentary, Drama, Fantasy,
    Film-Noir, Horror, Musical, Mystery, Romance, Sci-Fi, Thriller, War, Western""",
    """Pop, Folk, Contemporary Folk, Rock, Hard Rock, Classic Rock, Alternative Rock, Indie, Metal,
    Heavy Metal, Jazz, Vocal Jazz, Bebop, Blues, Chicago Blues, Country, Bluegrass, Soul, R&B, Funk,
    Disco, Hip-Hop, Rap, Reggae, Ska, Dance & Electronic, House, Techno, Ambient, Trip-Hop, Opera,
    Chamber Music, Symphonies, Baroque, Gospel, Soundtracks, Singer-Songwriters, New Wave, Punk,
    World Music, Latin Pop, Salsa, Celtic, Easy Listening, Christmas, Progressive Rock, Lo-Fi""",
    """Memoir, Biography, Essays, Poetry, Satire, Fairy Tales, Travel, History, Science, Cookery,
    Gardening, Detective Stories, Ghost Stories, Short Stories, Plays, Philosophy, Art, Comics""",
    """Puzzle, Racing, Strategy, Role-Playing, Platformer, Simulation, Sports, Card Game, Dice Game,
    Deck Building, Worker Placement, Party Game, Cooperative, Survival, Stealth, City Building""",
    """Soup, Salad, Curry, Stew, Noodles, Dumplings, Grill, Bakery, Dessert, Seafood, Vegan, Spicy,
    Sweet, Sour, Smoked, Breakfast, Street Food, Pickles, Cheese, Pasta, Rice, Beans""",
    """dark, light, funny, slow, tense, warm, gentle, loud, quiet, clever, strange, cosy, bleak,
    hopeful, epic, romantic, gritty, dreamy, nostalgic, violent, wholesome""",
    """Dresses, Shoes, Jackets, Hats, Scarves, Jewelry, Watches, Bags, Sportswear, Denim, Linen,
    Wool, Silk, Leather, Cotton, Vintage, Outdoor, Formal, Casual""",
]


@dataclass(frozen=True)
class Attribute:
    """An attribute: its name and its values."""

    name: str
    values: tuple[str, ...]
    most: int
    """The largest number of values that one item may have."""
    weight: float
    """How strongly the tastes of this world's users depend on it."""


def word(rng: Rng) -> str:
    """Return a made-up word, such as "Kreash" or "Toulim"."""
    syllables = int(rng.choice([1, 2, 2, 2, 3]))
    made = "".join(
        _ONSETS[rng.integers(len(_ONSETS))]
        + _VOWELS[rng.integers(len(_VOWELS))]
        + _CODAS[rng.integers(len(_CODAS))]
        for _ in range(syllables)
    )
    return made.capitalize() if rng.random() < 0.85 else made


def _listed(given: tuple[str, ...] | str) -> list[str]:
    if isinstance(given, str):
        return [part.strip() for part in given.replace("\n", " ").split(",")]
    return list(given)


def _values(kind: str, rng: Rng) -> tuple[str, ...]:
    if kind == "era":
        if rng.random() < 0.5:
            return tuple(f"{1920 + 10 * n}s" for n in range(11))
        first = int(rng.integers(1920, 2010))
        return tuple(str(first + n) for n in range(int(rng.integers(5, 40))))
    if kind == "few" and rng.random() < 0.6:
        return _FEW[rng.integers(len(_FEW))]
    if kind == "maker":
        count = int(rng.integers(5, 60))
        if rng.random() < 0.5:
            return tuple(synthetic_titles.names(count, rng))
        made = (" ".join(word(rng) for _ in range(rng.integers(1, 3))) for _ in range(count))
        return tuple(dict.fromkeys(made))
    count = int(rng.integers(6, 24)) if kind == "many" else int(rng.integers(2, 9))
    if rng.random() < 0.55:
        pool = _listed(_MANY[rng.integers(len(_MANY))])
        return tuple(rng.permutation(pool)[:count].tolist())
    return tuple(dict.fromkeys(word(rng) for _ in range(count)))


def _attribute(kind: str, rng: Rng) -> Attribute:
    names = _NAMES[kind]
    name = names[rng.integers(len(names))] if rng.random() < 0.85 else word(rng).lower()
    most = int(rng.integers(2, 5)) if kind == "many" else 1
    return Attribute(name, _values(kind, rng), most, float(rng.uniform(0.3, 1.0)))


def _title(rng: Rng) -> str:
    title = _name(rng)
    if rng.random() < 0.1:
        title += f"{_JOINTS[rng.integers(len(_JOINTS))]}{_name(rng)}"
    article, _, rest = title.partition(" ")
    if rng.random() < 0.25:  # as catalogues file it: "Silent Tower, The"
        filed = rest if article in _ARTICLES and rest else title
        title = f"{filed}, {_ARTICLES[rng.integers(len(_ARTICLES))]}"
    return f"{title} ({_name(rng)})" if rng.random() < 0.08 else title


def _name(rng: Rng) -> str:
    if rng.random() < 0.6:
        return synthetic_titles.titles(1, rng)[0]
    made = [word(rng) for _ in range(rng.integers(1, 4))]
    if rng.random() < 0.2:
        made.append(str(rng.integers(2, 2000)))
    return ("The " if rng.random() < 0.2 else "") + " ".join(made)


class World:
    """One generated world."""

    def __init__(self, rng: Rng, kinds: Sequence[str] = ()) -> None:
        kinds = kinds or (["many", "maker", "era"] if rng.random() < 0.4 else _kinds(rng))
        self.attributes: list[Attribute] = []
        for kind in kinds:
            attribute = _attribute(kind, rng)
            if attribute.name not in [a.name for a in self.attributes]:
                self.attributes.append(attribute)
        self._rng = rng
        self._chances = [
            rng.permutation(1.0 / np.arange(1, len(a.values) + 1) ** rng.uniform(0.2, 1.5))
            for a in self.attributes
        ]

    def item(self) -> Item:
        """Return a new item."""
        rng, attributes = self._rng, {}
        for attribute, chances in zip(self.attributes, self._chances, strict=True):
            count = min(int(rng.integers(1, attribute.most + 1)), len(attribute.values))
            places = np.argsort(-(np.log(chances) + rng.gumbel(size=len(chances))))[:count]
            attributes[attribute.name] = tuple(attribute.values[place] for place in places)
        return Item("", _title(rng), attributes)

    def tastes(self) -> dict[str, float]:
        """Return a user's weight for each value: negative is disliked, 0 is neutral."""
        rng = self._rng
        return {
            value: attribute.weight * float(rng.choice([-1.2, -0.6, 0.0, 0.6, 1.2]))
            for attribute in self.attributes
            for value in attribute.values
        }

    def stars(self, item: Item, tastes: dict[str, float], mean: float) -> float:
        """Return the stars, 1 to 5, that a user with these tastes gives to an item."""
        match = sum(tastes[value] for values in item.attributes.values() for value in values)
        return float(np.clip(round(mean + match + 0.7 * self._rng.standard_normal()), 1, 5))


def _kinds(rng: Rng) -> list[str]:
    kinds = ["many"] + [k for k in ("maker", "era", "few") if rng.random() < 0.4]
    rng.shuffle(kinds)
    return kinds
