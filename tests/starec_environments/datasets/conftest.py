"""Small datasets in their original formats, and the way to the real ones."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

GENRES = ("unknown", "Action", "Comedy", "Drama")


@pytest.fixture
def real() -> Callable[[str], Path]:
    """Find a real dataset, or skip."""

    def find(name: str) -> Path:
        roots = [Path(__file__).parents[4] / "shared" / "data"]
        if given := os.environ.get("STAREC_DATA"):
            roots.insert(0, Path(given))
        for root in roots:
            if (root / name).is_dir():
                return root / name
        pytest.skip(f"the real {name} is neither in $STAREC_DATA nor in ../shared/data")

    return find


@pytest.fixture
def ml_100k(tmp_path: Path) -> Path:
    """Three films, two users, four ratings, as GroupLens writes them."""
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    genres = "".join(f"{genre}|{place}\n" for place, genre in enumerate(GENRES))
    (folder / "u.genre").write_text(genres + "\n")
    films = (
        "1|Toy Story (1995)|01-Jan-1995||http://example.org/1|0|0|1|0\n"
        "2|Misérables, Les (1995)|01-Jan-1995||http://example.org/2|0|1|0|1\n"
        "3|unknown||||1|0|0|0\n"
    )
    (folder / "u.item").write_bytes(films.encode("latin-1"))
    (folder / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|T8H1N\n")
    log = "1\t1\t5\t881250950\n2\t1\t3\t881250949\n1\t2\t1\t881250949\n2\t3\t4\t881250951\n"
    (folder / "u.data").write_text(log)
    return folder


@pytest.fixture
def ml_100k_recbole(tmp_path: Path) -> Path:
    """The same as RecBole's atomic files."""
    folder = tmp_path / "atomic" / "ml-100k"
    folder.mkdir(parents=True)
    (folder / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t1\t5\t881250950\n2\t1\t3\t881250949\n1\t2\t1\t881250949\n2\t3\t4\t881250951\n"
    )
    (folder / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tComedy\n2\tMisérables, Les\t1995\tAction Drama\n"
        "3\tunknown\tunknown\tunknown\n",
        encoding="utf-8",
    )
    (folder / "ml-100k.user").write_text(
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "1\t24\tM\ttechnician\t85711\n2\t53\tF\tother\tT8H1N\n"
    )
    return folder


@pytest.fixture
def ml_1m(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    films = "1::Toy Story (1995)::Animation|Comedy\n2::Émile: A Life (1999) (V)::Drama\n"
    (folder / "movies.dat").write_bytes(films.encode("latin-1"))
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    (folder / "ratings.dat").write_text("1::1::5::978300760\n2::2::3::978302109\n")
    return folder


@pytest.fixture
def agentcf(tmp_path: Path) -> Path:
    """Two users with four items each: two transitions to train on, one to validate, one to test."""
    folder = tmp_path / "cds"
    folder.mkdir()
    header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    (folder / "cds.train.inter").write_text(header + "u\ta\tb\nv\tb\ta\n")
    (folder / "cds.valid.inter").write_text(header + "u\ta b\tc\nv\tb a\td\n")
    (folder / "cds.test.inter").write_text(header + "u\ta b c\td\nv\tb a d\tc\n")
    (folder / "cds.random").write_text("u\te f\nv\tf zz\n")
    (folder / "CDs.item").write_text(
        "item_id:token\ttitle:token_seq\tcategory:token_seq\n"
        "a\tAndy &amp; Friends\tRap &amp; Hip-Hop; East Coast\nb\tB\tPop\nc\tC\tPop\n"
        'd\t<span class="a-size-medium\tJazz\ne\tE\tPop\nf\tF\tPop\ng\tG\tPop\n'
    )
    return folder
