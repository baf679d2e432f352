"""Invented titles, names, genres and occupations."""

from __future__ import annotations

import numpy as np

from starec_sim.types import IntArray

GENRES = (
    "Drama",
    "Comedy",
    "Action",
    "Thriller",
    "Romance",
    "Adventure",
    "Crime",
    "Horror",
    "Sci-Fi",
    "Family",
    "Mystery",
    "War",
    "Fantasy",
    "Animation",
    "Musical",
    "Documentary",
    "Western",
    "Noir",
)
"""From frequent to rare."""

ERAS = ("1950s", "1960s", "1970s", "1980s", "1990s", "2000s", "2010s")

OCCUPATIONS = {
    "student": (14, 29),
    "teacher": (23, 66),
    "engineer": (23, 66),
    "nurse": (21, 66),
    "programmer": (20, 66),
    "clerk": (18, 66),
    "writer": (20, 66),
    "manager": (26, 66),
    "salesperson": (18, 66),
    "librarian": (23, 66),
    "scientist": (25, 66),
    "artist": (18, 66),
    "electrician": (19, 66),
    "homemaker": (20, 66),
    "lawyer": (26, 66),
    "retired": (62, 90),
}
"""Occupation to the ages, from and to, at which users have it. Every age has at least one."""


def _words(text: str) -> list[str]:
    return text.split()


_ADJECTIVES = _words("""
    Amber Ancient Autumn Bitter Blue Borrowed Bright Broken Burning Careless Cold Copper Crimson
    Crooked Distant Dusty Early Electric Emerald Empty Endless Faded Faithful Fallen Final Foreign
    Forgotten Fragile Frozen Gentle Glass Golden Green Grey Hidden Hollow Honest Hungry Idle Iron
    Ivory Jealous Kind Last Lazy Little Lonely Long Lost Loud Lucky Marble Midnight Narrow Nervous
    Northern Old Open Pale Paper Patient Perfect Private Proud Quiet Rapid Reckless Restless Rising
    Rusted Sacred Salt Scarlet Second Secret Seventh Silent Silver Sleeping Slow Southern Stolen
    Stone Strange Stubborn Sudden Summer Tender Thirsty Thousandth Timid Tired Unfinished Unlikely
    Velvet Violet Wandering Warm Wicked Wild Winter Wooden Wounded Young
""")

_NOUNS = _words("""
    Accountant Anchor Apprentice Archive Arrow Autumn Balcony Bargain Beacon Bell Border Bridge
    Brother Canal Candle Captain Caravan Carnival Carpenter Castle Cathedral Cellar Chorus Circus
    Clock Coast Compass Comet Cottage Courier Crossing Crown Dancer Daughter Desert Detective Doctor
    Domino Echo Engine Errand Eclipse Estate Factory Falcon Ferry Festival Fire Fisherman Forest
    Fortune Fountain Fox Frontier Garden Gardener Ghost Guest Harbor Harvest Heron Highway Horizon
    Hotel Hour House Hunter Inheritance Island Journey Judge Kingdom Kitchen Ladder Lake Lantern
    Letter Library Lighthouse Locksmith Machine Magician Map Market Mason Meadow Mechanic Messenger
    Mirror Monsoon Moon Mountain Musician Neighbor Night Notebook Ocean Orchard Orchestra Orphan
    Painter Passenger Pawn Photograph Pianist Pilgrim Pilot Planet Platform Portrait Postman Promise
    Prophet Puppet Quarry Railway Rehearsal Reunion River Road Rose Sailor Satellite School Season
    Shadow Shepherd Signal Sister Soldier Song Sparrow Stairway Station Storm Stranger Street Summit
    Surgeon Swimmer Tailor Teacher Telescope Theatre Thief Tide Tower Train Traveler Treaty Tunnel
    Umbrella Valley Verdict Village Violin Voyage Waltz Watchmaker Weaver Widow Window Witness
""")

_FIRST = _words("""
    Adela Agnar Amadi Anouk Arvid Bela Birgit Bruno Calla Casimir Chidi Dagny Dario Edda Elio Emeka
    Enid Farid Fenna Gideon Greta Hana Hedda Idris Ilse Imre Ines Jorun Kaito Keiko Lars Leda Linus
    Maeve Malik Marta Mirek Nadia Nils Odile Oskar Petra Quinn Rafe Rosa Runa Samir Selma Soren
    Tamsin Tove Uma Vera Viggo Wanda Yara Yusuf Zora
""")

_LAST = _words("""
    Abara Adler Almgren Arden Balint Barlow Basso Beckwith Boru Brandt Calder Castellan Corvin Dahl
    Demirel Draper Eklund Elmore Falk Farrow Ferreira Galt Gansa Greve Halloran Haruki Holm Ibarra
    Isaksen Jansky Kallas Keita Kessler Kovar Lindqvist Lorne Macke Marlowe Mbeki Moreau Nakata
    Norrell Oduya Okafor Orsini Pallas Penhale Quist Radek Ravn Rosales Sable Saarinen Sorrel Strand
    Tanaka Thorne Ueda Valente Varga Voss Wexler Winther Yilmaz Zeller
""")

_PATTERNS = (
    ("The {} {}", _ADJECTIVES, _NOUNS),
    ("{} {}", _ADJECTIVES, _NOUNS),
    ("The {}'s {}", _NOUNS, _NOUNS),
    ("No {} for the {}", _NOUNS, _NOUNS),
)


def titles(n: int, rng: np.random.Generator) -> list[str]:
    """Return n different titles.

    >>> len(set(titles(5_000, np.random.default_rng(0))))
    5000
    """
    sizes = [len(first) * len(second) for _, first, second in _PATTERNS]
    ends = np.cumsum(sizes)
    result = []
    for part, place in _distinct(n, int(ends[-1]), rng):
        which = int(np.searchsorted(ends, place, side="right"))
        pattern, first, second = _PATTERNS[which]
        one, other = divmod(place - int(ends[which]) + sizes[which], len(second))
        title = pattern.format(first[one], second[other])
        result.append(f"{title}, Part {part + 1}" if part else title)
    return result


def names(n: int, rng: np.random.Generator) -> list[str]:
    """Return n different names of people.

    >>> len(set(names(5_000, np.random.default_rng(0))))
    5000
    """
    result = []
    for part, place in _distinct(n, len(_FIRST) * len(_LAST), rng):
        first, last = divmod(place, len(_LAST))
        result.append(f"{_FIRST[first]} {_LAST[last]}" + (f" {part + 1}" if part else ""))
    return result


def occupation(age: int, rng: np.random.Generator) -> str:
    """Return one of the occupations of an age, all equally likely.

    >>> occupation(15, np.random.default_rng(0)), occupation(80, np.random.default_rng(0))
    ('student', 'retired')
    """
    fitting = [name for name, (first, last) in OCCUPATIONS.items() if first <= age <= last]
    return fitting[rng.integers(len(fitting))]


def _distinct(n: int, total: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return n different (part, place) pairs; a second part begins when all places are taken."""
    places: list[IntArray] = []
    for start in range(0, n, total):
        places.append(rng.choice(total, size=min(total, n - start), replace=False))
    return [(part, int(place)) for part, block in enumerate(places) for place in block]
