"""Data files of public data sets and bug reports: each is read rightly, or the reader asks."""

import gzip
import pickle
import random
import re
import shlex

import numpy as np
import pytest
import yaml

from starec_environments.datasets import text_files
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.tables import ParquetTable
from starec_sim.build import load_dataset
from starec_sim.data_specs import data_spec
from starec_sim.errors import ConfigError, DataError, DataWarning
from starec_sim.yaml_files import key_value

HEADER = "user_id,item_id,rating,timestamp\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def rows(form="{user},{item},{rating},{time}\n", ratings=(1, 2, 3, 4, 5), users=range(1, 7)):
    """Return ten interactions of each user as lines; 1 to 5 stars in turn."""
    rng = random.Random(7)
    return "".join(
        form.format(
            user=user,
            item=item,
            rating=ratings[(user + n) % len(ratings)],
            time=1_500_000_000 + 1_000 * user + n,
            n=n,
        )
        for user in users
        for n, item in enumerate(rng.sample(range(1, 21), 10))
    )


def titles(form, items=range(1, 21)):
    return "".join(form.format(item=item) for item in items)


def load(data, **settings):
    return load_dataset(data_spec(str(data), list(settings.items())))


def asked(data, **settings):
    """Return the error with which a reader asks."""
    with pytest.raises(DataError) as caught:
        load(data, **settings)
    return caught.value


def values(dataset):
    return sorted(set(dataset.log.ratings.tolist()))


@pytest.mark.parametrize(("name", "value"), [("liked_from", 3), ("unrated", 0)])
def test_a_setting_of_ratings_is_refused_where_there_are_none(here, name, value):
    write(here / "log.csv", "user_id,item_id,timestamp\n" + rows("{user},{item},{time}\n"))
    said = asked(here / "log.csv", **{name: value})
    assert said.message.endswith(
        f"{name} says what ratings mean, and the log has no column of ratings"
    )
    assert f"leave out data.{name}" in said.hint


class TestFilesThatBelongTogether:
    def test_train_valid_and_test_are_one_log_in_this_order(self, here):
        for name, users in (("test", [5, 6]), ("train", [1, 2]), ("valid", [3, 4])):
            write(here / "data" / f"{name}.csv", HEADER + rows(users=users))
        dataset = load("data")
        assert len(dataset.log.users) == 60 and len(dataset.users) == 6
        assert list(dataset.files) == ["train.csv", "valid.csv", "test.csv"]

    def test_parts_of_parquet_are_one_log(self, here):
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        (here / "data").mkdir()
        for part in (0, 1, 10):
            table = pa.table({"user_id": [f"u{part}"], "item_id": ["a"], "rating": [4.0]})
            parquet.write_table(table, here / "data" / f"part-{part:05}-x.snappy.parquet")
        dataset = load("data")
        assert [user.id for user in dataset.users] == ["u0", "u1", "u10"]

    def test_recbole_splits_are_one_log_and_no_agentcf(self, here):
        header = "user_id:token\titem_id:token\ttimestamp:float\n"
        for name, users in (("train", [1, 2]), ("valid", [3]), ("test", [4])):
            log = header + rows("{user}\t{item}\t{time}\n", users=users)
            write(here / "data" / f"shop.{name}.inter", log)
        write(here / "data/shop.item", "item_id:token\ttitle:token_seq\n" + titles("{item}\tT\n"))
        assert data_spec("data")["use"] == "recbole"
        dataset = load("data")
        assert len(dataset.log.users) == 40 and dataset.items[0].title == "T"

    def test_logs_whose_names_say_nothing_are_asked_about(self, here):
        for name in ("2019-Oct", "2019-Nov"):
            write(here / "data" / f"{name}.csv", HEADER + rows(users=[1 + (name > "2019-O")]))
        error = asked("data")
        assert "several files of interactions: 2019-Nov.csv, 2019-Oct.csv" in error.message
        assert "data.interactions=[2019-Nov.csv, 2019-Oct.csv]" in error.hint
        dataset = load("data", interactions=["2019-Oct.csv", "2019-Nov.csv"])
        assert len(dataset.log.users) == 20

    def test_a_test_file_without_ratings_is_not_left_out_silently(self, here):
        write(here / "data/train.csv", HEADER + rows(users=[1, 2]))
        write(here / "data/test.csv", "user_id,item_id\n" + rows("{user},{item}\n", users=[3]))
        assert "several files of interactions: train.csv, test.csv" in asked("data").message

    def test_one_interaction_in_two_files_names_both(self, here):
        for name in ("train", "test"):
            write(here / "data" / f"{name}.csv", HEADER + rows(users=[1]))
        error = asked("data")
        assert "test.csv, line 2" in error.message and "line 2 of train.csv" in error.message

    def test_describe_says_of_each_file_whether_it_was_read(self, here, starec):
        write(here / "data/ratings.csv", "userId,movieId,rating,mood\n" + rows())
        write(here / "data/movies.csv", "movieId,title,genres\n" + titles("{item},T,Drama\n"))
        write(here / "data/tags.csv", "userId,movieId,tag\n1,1,x\n")
        status, out, _ = starec("data", "describe", "data")
        assert status == 0
        assert "read  ratings.csv: interactions (userId, movieId, rating)" in out
        assert "columns not read: mood" in " ".join(out.split())
        assert "not read  tags.csv" in out


class TestWhatARatingIs:
    def test_a_constant_is_no_opinion(self, here, starec):
        write(here / "data/clicks.csv", HEADER + rows(ratings=(1,)))
        status, _, err = starec("data", "describe", "data")
        assert status == 2 and "every rating is 1 (60 of them), and a constant says nothing" in err
        assert "--set data.columns.rating=null" in err
        assert np.isnan(load("data", **{"columns.rating": None}).log.ratings).all()
        assert values(load("data", liked_from=1)) == [4.0]

    def test_two_values_are_asked_about(self, here):
        write(here / "data/log.csv", HEADER + rows(ratings=(0, 1)))
        error = asked("data")
        assert "the ratings have two values, 0 (30) and 1 (30)" in error.message
        assert values(load("data", liked_from=1)) == [2.0, 4.0]
        assert np.isnan(load("data", unrated=0, liked_from=1).log.ratings).sum() == 30
        assert values(load("data", rating_scale=[0, 1])) == [1.0, 5.0]

    def test_two_star_values_can_be_said_to_be_stars(self, here):
        write(here / "data/log.csv", HEADER + rows(ratings=(4, 5)))
        assert "data.rating_scale=[1, 5]' if they are stars" in asked("data").hint
        assert values(load("data", rating_scale=[1, 5])) == [4.0, 5.0]

    def test_a_label_beside_no_rating_is_asked_about(self, here):
        log = "user_id,item_id,label\n" + rows("{user},{item},{rating}\n", ratings=(0, 1))
        write(here / "data/log.csv", log)
        assert 'its column "label" says what a row means' in asked("data").message
        likes = load("data", **{"columns.rating": "label"}, liked_from=1).log.ratings
        assert (likes == 4.0).sum() == 30
        log = "user_id:token\titem_id:token\tlabel:float\n"
        write(here / "atomic/x.inter", log + rows("{user}\t{item}\t{rating}\n", ratings=(0, 1)))
        assert "--set data.rating=null" in asked("atomic").hint

    @pytest.mark.parametrize("sentinel", [-1, 0, 99])
    def test_a_sentinel_is_asked_about_and_can_be_named(self, sentinel, here):
        log = write(here / "data/log.csv", HEADER + rows(ratings=(sentinel, 3, 4, 5)))
        assert f"--set data.unrated={sentinel} " in asked("data").hint
        ratings = load("data", unrated=sentinel).log.ratings
        assert np.isnan(ratings).sum() == log.read_text().count(f",{sentinel},") > 0
        assert sorted({*ratings[~np.isnan(ratings)]}) == [3.0, 4.0, 5.0]

    def test_counts_are_not_taken_for_stars(self, here):
        log = "user_id,item_id,score\n" + rows("{user},{item},{rating}\n", ratings=(1, 2, 40))
        write(here / "data/log.csv", log)
        assert "data.liked_from=N if they are counts" in asked("data").hint
        assert values(load("data", liked_from=20)) == [2.0, 4.0]
        assert "no rating is 50 or more" in asked("data", liked_from=50).message

    def test_a_hint_about_scales_does_not_use_the_extremes_of_the_file(self, here):
        write(here / "data/log.csv", HEADER + rows(ratings=(2, 3, 7, 9)))
        hint = asked("data").hint
        assert "data.rating_scale=[1, 10]" in hint and "[2, 9]" not in hint

    @pytest.mark.parametrize("settings", [{}, {"rating_scale": [0.5, 5]}])
    def test_half_stars_stay_and_three_is_no_like(self, settings, here):
        write(here / "data/log.csv", HEADER + rows(ratings=(0.5, 2, 3, 3.5, 4, 5)))
        assert values(load("data", **settings)) == [0.5, 2.0, 3.0, 3.5, 4.0, 5.0]

    def test_liked_from_moves_the_threshold_and_nothing_else(self, here):
        write(here / "data/log.csv", HEADER + rows(ratings=(0.5, 2, 3, 3.5, 4, 5)))
        assert values(load("data", liked_from=4)) == [0.5, 2.0, 3.0, 4.0, 5.0]
        assert values(load("data", liked_from=3)) == [0.5, 2.0, 3.5, 4.0, 5.0]

    def test_a_blank_rating_can_mean_none(self, here):
        log = write(here / "data/log.csv", HEADER + rows(ratings=("", 1, 3, 5)))
        blank = log.read_text().count(",,")
        assert "--set data.unrated=blank" in asked("data").hint
        assert np.isnan(load("data", unrated="blank").log.ratings).sum() == blank
        skipped = load("data", bad_lines="skip")
        assert len(skipped.log.users) == 60 - blank
        assert skipped.notes == {"log.csv: the rating is blank (first on line 5)": blank}

    def test_commas_before_the_fraction_are_a_setting(self, here):
        log = "user;item;rating\n" + rows("{user};{item};{rating}\n", ratings=("3,5", "4,0", "1,0"))
        write(here / "data/log.csv", log)
        assert """--set 'data.decimal=","'""" in asked("data").hint
        assert values(load("data", decimal=",")) == [1.0, 3.5, 4.0]


class TestMovieLens:
    """Imitations of the layouts that GroupLens publishes."""

    def test_10m_is_not_taken_for_1m(self, here):
        form = "{user}::{item}::{rating}::{time}\n"
        write(here / "ml-10M100K/ratings.dat", rows(form, ratings=(0.5, 2, 3, 5)))
        write(here / "ml-10M100K/movies.dat", titles("{item}::Élan {item} (1990)::Drama|War\n"))
        write(here / "ml-10M100K/tags.dat", "1::1::a tag::1\n")
        dataset = load("ml-10M100K")
        assert (dataset.name, dataset.files["tags.dat"]) == ("movielens-10m", "not read")
        assert values(dataset) == [0.5, 2.0, 3.0, 5.0]
        assert dataset.items[0].title == "Élan 1"

    @pytest.mark.parametrize("name", ["ml-20m", "ml-25m", "ml-32m", "ml-latest-small"])
    def test_the_csv_editions_are_read(self, name, here):
        log = "userId,movieId,rating,timestamp\n" + rows(ratings=(0.5, 2, 3.5, 5))
        write(here / name / "ratings.csv", log)
        films = "movieId,title,genres\n" + titles('{item},"Film, A {item} (1990)",Drama|War\n')
        write(here / name / "movies.csv", films)
        write(here / name / "tags.csv", "userId,movieId,tag,timestamp\n1,1,x,1\n")
        write(here / name / "genome-scores.csv", "movieId,tagId,relevance\n1,1,0.5\n")
        write(here / name / "links.csv", "movieId,imdbId,tmdbId\n1,1,1\n")
        dataset = load(name)
        assert len(dataset.log.users) == 60 and dataset.items[0].title == "Film, A 1 (1990)"
        assert values(dataset) == [0.5, 2.0, 3.5, 5.0]

    def test_half_stars_can_be_evaluated_from_the_command_line(self, here, starec):
        log = "userId,movieId,rating,timestamp\n" + rows(ratings=(0.5, 2, 3.5, 5))
        write(here / "ml/ratings.csv", log)
        contenders = {"rows": [{"name": "popularity", "recommender": "popularity"}]}
        protocol = {
            "name": "small",
            "candidates": 5,
            "history": 1,
            "min_interactions": 3,
            "at": [5],
        }
        write(here / "rows.yaml", yaml.safe_dump(contenders))
        write(here / "protocol.yaml", yaml.safe_dump(protocol))
        status, out, err = starec(
            *("eval", "--data", "ml", "--set", "data.liked_from=3.5"),
            *("--rows", "rows.yaml", "--protocol", "protocol.yaml"),
        )
        assert status == 0, err
        assert "popularity" in out


class TestSettingsOnTheCommandLine:
    @pytest.fixture
    def latin(self, here):
        return write(
            here / "data/log.csv", HEADER + rows("{user},Café {item},{rating},{time}\n"), "latin-1"
        )

    def test_a_hint_names_what_the_command_takes(self, latin, starec):
        status, _, err = starec("data", "describe", "data")
        assert status == 2 and "--set data.encoding=latin-1" in err
        status, out, _ = starec("data", "describe", "data", "--set", "data.encoding=latin-1")
        assert status == 0 and "Café" in out

    def test_set_commas_and_a_yaml_file_say_the_same(self, latin):
        spec = {"use": "csv", "path": "data/log.csv", "encoding": "latin-1"}
        write(latin.parents[1] / "data.yaml", yaml.safe_dump(spec))
        write(latin.parents[1] / "path.yaml", "path: data\nencoding: latin-1\n")
        expected = load("data", encoding="latin-1").log.ratings.tolist()
        for data in ("data.yaml", "path.yaml", "data,encoding=latin-1"):
            assert load(data).log.ratings.tolist() == expected, data
        listed = "csv,path=data,interactions=[log.csv],encoding=latin-1"
        assert load(listed).log.ratings.tolist() == expected

    def test_every_command_with_data_takes_them(self, latin, starec):
        experiment = {"name": "x", "environment": "ranking", "policies": {"fast": "lexical"}}
        write(latin.parents[1] / "x.yaml", yaml.safe_dump(experiment))
        wrong = ("--data", "data", "--set", "data.encoding=latin-1", "--set", "data.lenient=true")
        for command in (
            ("run", "x.yaml"),
            ("estimate", "x.yaml"),
            ("train", "x.yaml", "--dry-run"),
            ("eval", "lexical"),
            ("audit", "lexical"),
        ):
            status, _, err = starec(*command, *wrong)
            assert status == 2 and "data.lenient: there is no such key" in err, command

    def test_eval_takes_no_other_keys(self, latin, starec):
        status, _, err = starec("eval", "lexical", "--set", "rounds=5")
        assert status == 2 and "settings of the data only" in err

    def test_a_typo_is_told_the_nearest_dataset(self, here):
        with pytest.raises(DataError, match='did you mean "synthetic"'):
            data_spec("synthetics,users=5")
        with pytest.raises(ConfigError, match="the key users is there already"):
            data_spec("synthetic,users=5,users=6")

    def test_a_typo_in_a_setting_is_no_unknown_format(self, here):
        write(here / "data/readme.txt", "no table")
        with pytest.raises(ConfigError, match=r'data.interaction: .* did you mean "interactions"'):
            data_spec("data", [("interaction", "log.csv")])

    def test_a_missing_file_of_interactions_is_no_unknown_format(self, here):
        write(here / "data/log.csv", HEADER + rows())
        with pytest.raises(DataError, match=r"there is no file .*logs\.csv") as raised:
            data_spec("data", [("interactions", "logs.csv")])
        assert raised.value.hint == 'did you mean "log.csv"?'

    def test_a_file_of_interactions_may_have_any_ending_and_a_folder_of_its_own(self, here):
        write(here / "data/parts/log.part", HEADER + rows())
        write(here / "data/items.csv", "item,title\n1,One\n")
        read = load("data", interactions="parts/log.part")
        assert list(read.files) == ["log.part"]


class TestHowFilesAreWritten:
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
    def test_a_byte_order_mark_says_the_encoding(self, encoding, here):
        log = (HEADER + rows("{user},Ü{item},{rating},{time}\n")).replace("\n", "\r\n")
        write(here / "data/ratings.csv", log, encoding)
        assert load("data").items[0].id.startswith("Ü")

    def test_utf_16_without_a_mark_is_asked_about(self, here):
        write(here / "data/ratings.csv", HEADER + rows(), "utf-16-le")
        assert "data.encoding=utf-16-le" in asked("data").hint
        assert len(load("data", encoding="utf-16-le").log.users) == 60

    def test_gzip_is_unpacked_and_a_damaged_file_is_named(self, here):
        packed = gzip.compress((HEADER + rows()).encode())
        (here / "data").mkdir()
        (here / "data/ratings.csv.gz").write_bytes(packed)
        assert load("data").name == "ratings"
        (here / "data/ratings.csv.gz").write_bytes(packed[:-20])
        assert "breaks off or is damaged" in asked("data/ratings.csv.gz").message

    def test_a_name_that_begins_with_a_quote(self, here):
        write(
            here / "data/log.tsv", "user_id\titem_id\trating\n" + rows("{user}\t{item}\t{rating}\n")
        )
        names = titles('{item}\t"Weird {item}" Al\n')
        write(here / "data/artists.tsv", "item_id\tname\n" + names)
        assert "--set data.quoted=false" in asked("data").hint
        assert load("data", quoted=False).items[0].title == '"Weird 1" Al'

    def test_a_quote_does_not_swallow_lines_of_a_table(self, here):
        write(
            here / "data/log.tsv", "user_id\titem_id\trating\n" + rows("{user}\t{item}\t{rating}\n")
        )
        names = titles("{item}\tBand\n").replace("3\tBand\n", '3\t"Heroes\n', 1)
        names = names.replace("9\tBand\n", '9\tHeroes"\n', 1)
        write(here / "data/artists.tsv", "item_id\tname\n" + names)
        error = asked("data")
        assert (
            "line 10: a quoted field begins 6 lines before and holds whole lines" in error.message
        )
        assert len(load("data", quoted=False).items) == 20

    def test_quotes_that_a_backslash_escapes(self, here):
        write(here / "data/log.csv", HEADER + rows())
        books = '"item_id","title"\n' + titles('"{item}","The \\"{item}\\", a book"\n')
        write(here / "data/books.csv", books)
        assert "--set 'data.escape=\\'" in asked("data").hint
        assert load("data", escape="\\").items[0].title == 'The "1", a book'

    def test_bad_lines_are_counted(self, here):
        bad = '9,1,4\n9,2,"x"y,3,9\n9,3,many,{0}\n9,4,4,soon\n,5,4,{0}\n9,6,4,{0}\n'
        log = HEADER + rows() + bad.format(1_500_000_000)
        write(here / "data/log.csv", log)
        assert "--set data.bad_lines=skip" in asked("data").hint
        dataset = load("data", bad_lines="skip")
        assert len(dataset.log.users) == 61
        assert dataset.notes == {
            "log.csv: 3 fields where 4 were expected (first on line 62)": 1,
            "log.csv: the quotes are wrong (first on line 63)": 1,
            "log.csv: the rating is not a number (first on line 64)": 1,
            "log.csv: the time is neither a number from 0 on nor a date as ISO 8601 from 1970 on "
            "(first on line 65)": 1,
            "log.csv: the user id is empty (first on line 66)": 1,
        }

    def test_fields_between_spaces_are_asked_about(self, here):
        header = "user_id:token item_id:token timestamp:float\n"
        write(here / "atomic/mine.inter", header + rows("{user} {item} {time}\n"))
        assert """--set 'data.separator=" "'""" in asked("atomic").hint
        assert len(load("atomic", separator=" ").log.users) == 60
        write(here / "data/log.csv", "user item rating\n" + rows("{user} {item} {rating}\n"))
        assert "--set data.delimiter=space" in asked("data").hint
        assert len(load("data", delimiter="space").log.users) == 60

    def test_a_file_without_a_header_is_asked_about(self, here):
        write(here / "u1.base", rows("{user}\t{item}\t{rating}\t{time}\n"))
        assert "looks like data, so the file has no header" in asked("u1.base").message
        dataset = load("u1.base", header=["user", "item", "rating", "time"])
        assert len(dataset.log.users) == 60

    def test_no_error_of_csv_reaches_the_top(self, here):
        for number, text in enumerate(("a\0b", 'x,"' + "y" * 200_000, '"\r\r\n,"', "x\ry,z\n")):
            write(here / f"{number}.csv", HEADER + rows() + text)
            with pytest.raises(DataError):
                load(f"{number}.csv")


class TestIdsTimesAndTitles:
    def test_ids_hold_anything_but_line_breaks_and_controls(self, here):
        log = HEADER + rows("u :: {user},i\u00a0\u200c{item}|;,{rating},{time}\n")
        write(here / "data/log.csv", log)
        dataset = load("data")
        assert dataset.users[0].id == "u :: 1" and "\u00a0\u200c" in dataset.items[0].id
        write(here / "data/log.csv", HEADER + "u\u2028v,a,4,1\n")
        assert "holds control characters" in asked("data").message

    def test_a_byte_order_mark_within_a_file_makes_no_second_user(self, here):
        write(here / "data/log.csv", HEADER + rows() + "\ufeff" + rows(users=[1], ratings=[1]))
        assert 'the user id "\ufeff1" holds control characters' in asked("data").message

    def test_a_field_that_is_too_long_is_not_said_to_have_wrong_quotes(self, here):
        wide = rows("{user},{item},{rating},{time},y\n") + f"9,9,3,9,{'x' * 200_000}\n"
        write(here / "data/log.csv", HEADER.strip() + ",note\n" + wide)
        assert "a field has more than 131,072 characters" in asked("data").message
        skipped = load("data", bad_lines="skip").notes
        assert "a field has more than 131,072 characters" in str(skipped)

    def test_ids_that_became_decimals_are_explained(self, here):
        write(here / "data/ratings.csv", HEADER + rows("{user},{item}.0,{rating},{time}\n"))
        write(here / "data/movies.csv", "item_id,title\n" + titles("{item},T\n"))
        error = asked("data")
        assert 'stands as "' in error.message and "whole numbers with .0" in error.message
        assert ".0" in asked("data", unknown="drop").message
        assert load("data", whole_ids=True).items[0].id == "1"

    def test_one_id_with_and_without_decimals_is_no_pair(self, here):
        write(here / "data/train.csv", HEADER + rows(users=[1]))
        write(here / "data/test.csv", HEADER + rows("{user},{item}.0,{rating},{time}\n", users=[2]))
        assert 'stands as "' in asked("data").message

    def test_ids_of_the_log_that_the_item_file_has_without_zeros_are_explained(self, here):
        write(here / "data/ratings.csv", HEADER + rows("{user},00{item},{rating},{time}\n"))
        write(here / "data/movies.csv", "item_id,title\n" + titles("{item},T\n") + "001,T\n")
        error = asked("data")
        assert '" in the item file: programs leave out zeros in front' in error.message
        assert error.hint.startswith("write the ids alike in both files, or leave")
        with pytest.warns(DataWarning, match=r'interactions are left out; the item id "00\d+" st'):
            load("data", unknown="drop")

    def test_ids_with_and_without_zeros_in_front_are_warned_about_and_counted(self, here):
        odd = rows("00{user},{item},{rating},{time}\n", users=[1]) + "007,1,4,1500000005\n"
        write(here / "data/log.csv", HEADER + rows() + odd)
        with pytest.warns(DataWarning, match='column user_id: "001" and "1" count as two users; 1'):
            load("data")

    def test_a_column_that_nobody_recognises_is_named(self, here):
        header = "user_id,video_id,watch_ratio,timestamp\n"
        log = header + rows("{user},{item},0.5,{time}.378\n").replace("1500001000.378", "")
        write(here / "data/small_matrix.csv", log)
        error = asked("data")
        assert "no column looks like the item id" in error.message and "video_id" in error.message
        assert error.hint == "name it: --set data.columns.item=video_id"
        named = {"columns.item": "video_id"}
        assert "the time is blank" in asked("data", **named).message
        skipped = load("data", bad_lines="skip", **named)
        assert len(skipped.log.users) == 59 and [*skipped.notes.values()] == [1]
        untimed = load("data", **named, **{"columns.time": None})
        assert untimed.log.times.tolist() == list(range(60))

    def test_seconds_among_milliseconds_are_refused(self, here):
        lines = rows().splitlines(keepends=True)
        lines[3] = lines[3].replace("\n", "000\n")
        write(here / "data" / "log.csv", "user,item,rating,timestamp\n" + "".join(lines))
        assert "some seem to be seconds and others milliseconds" in asked("data").message

    def test_dates_that_end_in_utc(self, here):
        log = "user_id,item_id,rating,event_time\n"
        log += rows("{user},{item},{rating},2019-10-0{user} 00:0{n}:00 UTC\n")
        write(here / "data/log.csv", log)
        assert load("data").log.times[0] == 1_569_888_000

    def test_the_order_of_day_and_month_is_asked_for(self, here):
        write(here / "data/log.csv", HEADER + rows("{user},{item},{rating},0{user}/02/2020\n"))
        error = asked("data")
        assert "which part is the day cannot be told" in error.message
        day = load("data", time_format="%d/%m/%Y").log.times
        month = load("data", time_format="%m/%d/%Y").log.times
        assert day[0] == 1_580_515_200 and day[0] != month[0] + 86_400
        assert "not written as %Y" in asked("data", time_format="%Y").message

    def test_joiners_stay_in_titles_and_overrides_do_not(self, here, starec):
        write(here / "data/log.csv", HEADER + rows())
        names = "item_id,title\n1,کتاب\u200cهای من\n2,👨\u200d👩\u200d👧\n3,a\u202eb\u200b\u200d\n"
        write(here / "data/movies.csv", names + titles("{item},T\n", range(4, 21)))
        found = [item.title for item in load("data").items[:3]]
        assert found == ["کتاب\u200cهای من", "👨\u200d👩\u200d👧", "ab"]
        assert "کتاب\u200cهای من" in starec("data", "describe", "data")[1]


class TestTimesFarFromOthers:
    CUT = "u1,21,5,15000\n"

    def test_a_last_line_that_was_cut_in_its_time_is_named(self, here):
        write(here / "log.csv", HEADER + rows() + self.CUT.rstrip())
        error = asked("log.csv")
        assert 'line 62: the time "15000" is decades away from all others' in error.message
        assert "bad_lines=skip" in error.hint and "columns.time=null" in error.hint
        dataset = load("log.csv", bad_lines="skip")
        assert len(dataset.log.users) == 60 and 1 in dataset.notes.values()

    def test_one_lost_digit_is_enough_and_a_glued_one_too(self, here):
        for wrong in (150_000_123, 15_000_012_345):
            write(here / "log.csv", HEADER + rows() + f"1,21,5,{wrong}\n")
            assert f'"{wrong}" is decades away' in asked("log.csv").message

    def test_zeros_for_unknown_are_counted(self, here):
        zeros = rows("{user},{item},{rating},0\n", users=(7, 8))
        write(here / "log.csv", HEADER + rows() + zeros)
        assert "20 such lines of 80" in asked("log.csv").message

    def test_dates_of_1970_are_zeros(self, here):
        dates = rows("{user},{item},{rating},2017-07-0{user} 10:00:0{n}\n")
        write(here / "log.csv", HEADER + dates + "1,21,5,1970-01-01 00:00:00\n")
        assert "decades away" in asked("log.csv").message

    def test_numbers_that_count_the_rows_are_no_dates(self, here):
        counted = "".join(f"{n % 6},{n},4,{n * 3_000_000}\n" for n in range(200))
        write(here / "log.csv", HEADER + counted.replace(",4,", ",3,", 9).replace(",4,", ",5,", 9))
        assert len(load("log.csv").log.users) == 200

    def test_amazon_reviews_and_movielens_ask_too(self, here):
        lines = rows("A{user:013},B{item:09},{rating},{time}\n")
        write(here / "a" / "Toys.csv", lines + "A0000000000001,B000000021,5,15000\n")
        dataset = load("a", use="amazon", bad_lines="skip")
        assert len(dataset.log.users) == 60
        assert any("decades away" in note for note in dataset.notes)
        write(
            here / "m" / "ratings.dat", rows("{user}::{item}::{rating}::{time}\n") + "1::9::5::97\n"
        )
        write(here / "m" / "movies.dat", titles("{item}::Film {item} (1999)::Drama\n"))
        write(here / "m" / "users.dat", titles("{item}::F::1::1::1\n"))
        assert "decades away" in asked("m").message


class TestPackedFiles:
    @staticmethod
    def bomb(path, line, times):
        with gzip.open(path, "wb", compresslevel=1) as file:
            block = line.encode() * 10_000
            for _ in range(times * len(line) // len(block) + 1):
                file.write(block)

    def test_a_small_file_does_not_unpack_to_gigabytes(self, here, monkeypatch):
        monkeypatch.setattr(text_files, "SURE_BYTES", 1 << 16)
        self.bomb(here / "log.csv.gz", "1,1,1,1\n", 300_000)
        error = asked("log.csv.gz", header=["user", "item", "rating", "time"])
        assert "over 100 times its size" in error.message and "gzip -dk" in error.hint

    def test_reviews_are_bounded_while_they_are_read(self, here, monkeypatch):
        monkeypatch.setattr(text_files, "SURE_BYTES", 1 << 16)
        line = '{"reviewerID":"A","asin":"B","overall":5.0,"unixReviewTime":1500000000}\n'
        self.bomb(here / "Toys.json.gz", line, 30_000)
        assert "over 100 times its size" in asked("Toys.json.gz").message

    def test_parquet_that_says_that_it_is_huge_is_refused(self, here):
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        same = pa.array(["x"]).dictionary_encode().take(pa.array([0] * 1_200_000))
        parquet.write_table(pa.table({"user_id": same, "item_id": same}), here / "log.parquet")
        error = asked("log.parquet")
        assert "1,200,000 rows" in error.message and "CSV" in error.hint

    def test_a_long_text_in_many_rows_of_parquet_is_read_once(self, here):
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        users = pa.array(["u" * 1_000_000, "v"]).dictionary_encode().take(pa.array([0, 1] * 40_000))
        items = pa.array([None if n == 5 else f"i{n}" for n in range(80_000)])
        parquet.write_table(pa.table({"user": users, "item": items}), here / "log.parquet")
        assert (here / "log.parquet").stat().st_size < 3_000_000  # and 40 GB where each row has one
        path = here / "log.parquet"
        read = ParquetTable(ParquetTable.Config(path=str(here)))
        table = read.table(path, ["user", "item"], Faults(path, "error"))
        user, item = table.column("user"), table.column("item")
        assert len({id(text) for text in user}) <= 4 and set(map(len, user)) == {1_000_000, 1}
        assert [item[place] for place in (0, 5, 79_999)] == ["i0", None, "i79999"]


class TestNestedColumnsOfParquet:
    """Cells that hold several values where one is needed were shown as `['Title']`, or raised."""

    @pytest.fixture
    def write(self, here):
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        def write(items=None, **changed):
            users = [f"u{n}" for n in range(6) for _ in range(5)]
            log = {"user_id": users, "item_id": [f"i{n % 7}" for n in range(30)]}
            log |= {"rating": [1.0 + n % 5 for n in range(30)], "timestamp": list(range(30))}
            log |= {name: change(log[name]) for name, change in changed.items()}
            (here / "data").mkdir(exist_ok=True)
            parquet.write_table(pa.table(log), here / "data" / "interactions.parquet")
            if items is not None:
                ids = [f"i{n}" for n in range(7)]
                table = {"item_id": ids, "title": [f"T{n}" for n in range(7)]} | {
                    name: [cell] * 7 for name, cell in items.items()
                }
                parquet.write_table(pa.table(table), here / "data" / "items.parquet")

        return write

    @pytest.mark.parametrize("name", ["user_id", "item_id", "rating", "timestamp"])
    def test_a_list_in_a_row_of_the_log_is_refused(self, write, name):
        write(**{name: lambda cells: [[cell] for cell in cells]})
        error = asked("data")
        assert f'column "{name}" holds a list in each row' in error.message
        assert f'explode("{name}")' in error.hint

    def test_keys_and_values_in_a_row_of_the_log_are_refused(self, write):
        write(rating=lambda cells: [{"value": cell} for cell in cells])
        assert "holds keys and values (struct<value: double>)" in asked("data").message

    def test_a_list_of_titles_is_refused(self, write):
        write({"title": ["T"]})
        assert 'column "title" holds a list in each row' in asked("data").message

    @pytest.mark.parametrize("cell", [[["A", "B"], ["C"]], [{"name": "A"}], {"name": "A"}])
    def test_attributes_within_lists_or_keys_are_refused(self, write, cell):
        write({"genres": cell})
        assert 'column "genres" holds' in (error := asked("data")).message
        assert "item_columns.attributes" in error.hint

    def test_a_list_of_attributes_is_read_with_its_separators(self, write):
        write({"genres": ["Sci-Fi, Fantasy", "A|B", None]})
        assert load("data").items[0].attributes["genre"] == ("Sci-Fi, Fantasy", "A|B")

    def test_texts_written_as_bytes_are_texts(self, write):
        write(item_id=lambda cells: [cell.encode() for cell in cells])
        assert {item.id for item in load("data").items} == {f"i{n}" for n in range(7)}
        write(item_id=lambda cells: [cell.encode() + b"\xff" for cell in cells])
        assert "bytes that are not UTF-8" in asked("data").message


class TestOfSpreadsheetsAndPrograms:
    """What spreadsheets, databases and pandas make of ids, times, ratings and headers."""

    def test_ids_that_a_spreadsheet_rounded_are_named(self, here):
        write(here / "log.csv", HEADER + rows("{user},9.78E+{item:02},{rating},{time}\n"))
        assert "a number that a spreadsheet has rounded" in asked("log.csv").message

    @pytest.mark.parametrize("nobody", ["nan", "NULL", "None", "\\N", "<NA>"])
    def test_a_missing_user_is_no_user_of_that_name(self, here, nobody):
        write(here / "log.csv", HEADER + rows() + f"{nobody},3,4,1500000000\n")
        assert "which programs write where there is none" in asked("log.csv").message
        assert len(load("log.csv", bad_lines="skip").users) == 6

    @pytest.mark.parametrize("none", ["NULL", "None", "\\N", "N/A"])
    def test_a_missing_rating_is_blank_in_any_program(self, here, none):
        write(here / "log.csv", HEADER + rows() + f"9,3,{none},1500000000\n")
        assert "the rating is blank" in asked("log.csv").message
        assert np.isnan(load("log.csv", unrated="blank").log.ratings).sum() == 1

    @pytest.mark.parametrize("form", ["2020010{user}", "2020010{user}10150{n}"])
    def test_dates_without_separators_are_no_seconds(self, here, form):
        lines = rows("{user},{item},{rating}," + form + "\n")
        write(here / "log.csv", HEADER + lines)
        hint = asked("log.csv").hint
        assert "data.time_format=%Y%m%d" in hint
        times = load("log.csv", time_format=hint.partition("time_format=")[2]).log.times
        assert times.min() > 1_577_836_799

    def test_days_of_a_spreadsheet_keep_their_hours_or_are_refused(self, here):
        write(here / "log.csv", HEADER + rows("{user},{item},{rating},4383{user}.2{n}5\n"))
        assert "the hours would be cut off" in asked("log.csv").message

    def test_a_rating_under_an_unusual_name_is_asked_about(self, here):
        header = "User ID,Item ID,Rating (1-5),Date\n"
        write(here / "log.csv", header + rows("{user},{item},{rating},2020-01-0{user}\n"))
        assert "'data.columns.rating=Rating (1-5)'" in asked("log.csv").hint
        assert len(values(load("log.csv", columns={"rating": "Rating (1-5)"}))) == 5

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("log.csv", "sep=;\nuser_id;item_id\n1;2\n", "remove its first line"),
            ("log.csv", "# made in 2020\nuser_id,item_id\n1,2\n", "remove its first line"),
            ("log.jsonl", '{"user_id": 1, "item_id": 2}\n', "this is JSON with other keys"),
            ("u1.base", "1\t2\t3\t881250949\n", "name the table itself"),
            ("mv_1.txt", "1:\n1488844,3,2005-09-06\n", "a block of lines for each item"),
            ("train.txt", "0 1 2 3\n1 3 4\n", "4 fields between spaces"),
            ("log.csv", "u1,Game 1,purchase,1.0\n", "--set 'data.header="),
        ],
        ids=["sep", "comment", "json", "no ending", "netflix", "lightgcn", "no header"],
    )
    def test_the_hint_comes_from_the_first_line(self, here, name, text, said):
        write(here / "data" / name, text)
        assert said in asked("data").hint

    def test_users_of_another_layout_do_not_make_movielens_1m(self, here):
        stars = rows("{user}::{item:07}::{rating}::{time}\n")
        write(here / "m" / "ratings.dat", stars)
        write(here / "m" / "movies.dat", titles("{item:07}::Film {item} (2010)::Drama\n"))
        write(here / "m" / "users.dat", titles("{item}::177651718\n"))
        assert len(load("m").log.users) == 60


class TestTablesThatLieUnread:
    def test_a_part_without_a_header_is_asked_about(self, here):
        write(here / "data" / "train.csv", HEADER + rows(users=[1, 2, 3]))
        write(here / "data" / "test.csv", rows(users=[4, 5, 6]))
        said = asked("data")
        assert "data holds test.csv, which would not be read" in said.message
        assert "test.csv has no header: give it that of train.csv" in said.hint
        assert "--set data.interactions=train.csv" in said.hint
        assert len(load("data", interactions="train.csv").log.users) == 30

    def test_a_part_without_a_header_is_asked_about_whatever_its_name(self, here):
        write(here / "data" / "log.csv", HEADER + rows(users=[1, 2, 3]))
        write(here / "data" / "more.csv", rows(users=[4, 5, 6]))
        assert "more.csv, which would not be read" in asked("data").message

    def test_a_part_in_another_format_is_asked_about(self, here):
        write(here / "data" / "test.csv", HEADER + rows(users=[1, 2, 3]))
        write(here / "data" / "train.parquet", "PAR1")
        said = asked("data")
        assert "data holds train.parquet, which would not be read" in said.message
        assert "data.interactions=test.csv (or =train.parquet)" in said.hint

    def test_a_part_that_differs_by_a_number_is_asked_about(self, here):
        write(here / "data" / "log_1.csv", HEADER + rows(users=[1, 2, 3]))
        write(here / "data" / "log_2.csv", "who,what,stars\n" + "1,2,3\n" * 3)
        assert "log_2.csv, which would not be read" in asked("data").message

    def test_another_table_is_named_in_a_note(self, here):
        write(here / "data" / "ratings.csv", HEADER + rows())
        write(here / "data" / "tags.csv", "user_id,item_id,tag,timestamp\n1,2,fun,3\n")
        write(here / "data" / "README.txt", "Ratings, and tags.\nThey are real.\n")
        with pytest.warns(DataWarning, match=r"data: tags.csv is a table that is not read; ") as w:
            load("data")
        assert len(w) == 1 and "README" not in str(w[0].message)

    def test_evaluating_names_them_too(self, here, starec):
        write(here / "data" / "ratings.csv", HEADER + rows())
        write(here / "data" / "tags.csv", "user_id,item_id,tag,timestamp\n1,2,fun,3\n")
        status, _, err = starec("eval", "--data", "data", "--users", "2", "popularity")
        assert "note: data: tags.csv is a table that is not read" in err, (status, err)


class TestRatingsOfWhichSomeMeanSomethingElse:
    @pytest.mark.parametrize("of_test", [(1,), (0, 1)])
    def test_clicks_in_one_of_two_files_are_asked_about(self, of_test, here):
        write(here / "data" / "train.csv", HEADER + rows(users=[1, 2, 3]))
        write(here / "data" / "test.csv", HEADER + rows(users=[4, 5, 6], ratings=of_test))
        said = asked("data")
        assert said.message.startswith("data/test.csv") and "do they mean the same?" in said.message
        assert "data.interactions=train.csv" in said.hint
        with pytest.raises(DataError, match=r"test.csv, column .* the ratings are all 1"):
            load("data", **({"unrated": 0} if 0 in of_test else {}))

    def test_one_star_in_all_of_a_file_can_be_said_to_be_stars(self, here):
        write(here / "data" / "train.csv", HEADER + rows(users=[1, 2, 3]))
        write(here / "data" / "test.csv", HEADER + rows(users=[4, 5, 6], ratings=(1,)))
        assert "data.rating_scale=[1, 5]" in asked("data").hint
        assert len(load("data", rating_scale=[1, 5]).log.users) == 60

    def test_slips_are_bad_lines_and_no_reason_for_another_scale(self, here):
        log = HEADER + rows().replace(",5,15", ",50,15", 2)
        write(here / "log.csv", log)
        said = asked("log.csv")
        assert 'the rating "50" is not within 1 to 5 stars (2 such lines of 60)' in said.message
        assert "data.unrated=50" in said.hint and "bad_lines=skip" in said.hint
        assert "rating_scale" not in said.hint
        read = load("log.csv", bad_lines="skip")
        assert values(read) == [1, 2, 3, 4, 5] and list(read.notes.values()) == [2]

    def test_counts_are_no_slips(self, here):
        log = HEADER + rows().replace(",5,15", ",6,15", 2).replace(",5,15", ",12,15", 1)
        write(here / "log.csv", log)
        said = asked("log.csv", bad_lines="skip")
        assert "data.liked_from=N" in said.hint and "rating_scale" not in said.hint

    @pytest.mark.parametrize("scale", [[0, 100], [1, 10]])
    def test_a_scale_on_which_nobody_likes_anything_is_refused(self, scale, here):
        write(here / "log.csv", HEADER + rows())
        said = asked("log.csv", rating_scale=scale)
        assert "nobody likes anything" in said.message or "nearly all would be" in said.message

    def test_zero_to_five_is_proposed_where_no_rating_is_above_five(self, here):
        write(here / "log.csv", HEADER + rows(ratings=(0.2, 1, 2.5, 4, 5)))
        assert "data.rating_scale=[0, 5]" in asked("log.csv").hint
        write(here / "log.csv", HEADER + rows(ratings=(0, 1, 2)))
        assert "data.rating_scale=[0, 2]" in asked("log.csv").hint

    def test_a_threshold_below_all_ratings_is_refused(self, here):
        write(here / "log.csv", HEADER + rows())
        assert "everything would be a like" in asked("log.csv", liked_from=-1).message

    def test_a_value_without_rating_that_no_row_holds_is_noted(self, here):
        write(here / "log.csv", HEADER + rows())
        with pytest.warns(DataWarning, match='data.unrated names 7, and no row of column "rating"'):
            load("log.csv", unrated=7)


class TestSettingsOfFiles:
    @pytest.mark.parametrize(
        ("cell", "form"),
        [
            ("17/02/2020", "%d/%m/%Y"),
            ("02-17-2020 10:15", "%m-%d-%Y %H:%M"),
            ("17.2.20 1:05 PM", "%d.%m.%y %I:%M %p"),
            ("2020/02/17 10:15:30", "%Y/%m/%d %H:%M:%S"),
        ],
    )
    def test_the_format_of_dates_that_a_hint_names_reads_them(self, cell, form, here):
        lines = [f"{n % 4},{n},{1 + n % 5},{cell}" for n in range(20)]
        write(here / "log.csv", HEADER + "\n".join(lines) + "\n")
        given = re.search(r"--set ('[^']+')", asked("log.csv").hint)[1]
        key, value = key_value(shlex.split(given)[0], "--set", "")
        assert (key, value) == ("data.time_format", form)
        assert len(load("log.csv", time_format=value).log.users) == 20

    def test_both_formats_are_named_where_either_may_be_meant(self, here):
        write(here / "log.csv", HEADER + rows("{user},{item},{rating},03/04/2020\n"))
        hint = asked("log.csv").hint
        assert "time_format=%d/%m/%Y' if the day is first" in hint
        assert "time_format=%m/%d/%Y' if the month is first" in hint

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("encoding", "klingon", "data.encoding: must be an encoding that Python knows"),
            ("encoding", "hex", "data.encoding: must be an encoding that Python knows"),
            ("delimiter", "ab", "data.delimiter: must be one character"),
            ("time_format", "dmy", "data.time_format: must have a % before each part"),
        ],
    )
    def test_a_wrong_setting_is_named_and_not_the_format(self, key, value, said, here):
        write(here / "log.csv", HEADER + rows())
        with pytest.raises(ConfigError) as caught:
            load("log.csv", **{key: value})
        assert caught.value.message.startswith(said)

    def test_a_column_that_the_tags_have_too_makes_them_no_log_of_ratings(self, here):
        write(here / "ml" / "rating.csv", HEADER + rows())
        write(here / "ml" / "tag.csv", "user_id,item_id,tag,timestamp\n1,2,fun,3\n")
        with pytest.warns(DataWarning, match=r"tag.csv is a table that is not read"):
            assert "the rating 1.5" in asked("ml", **{"columns.rating": "timestamp"}).message

    def test_an_empty_folder_of_another_format_is_named(self, here):
        write(here / "data" / "log.csv", HEADER + rows())
        (here / "data" / "behavior").mkdir()
        (here / "data" / "behavior" / "0.pkl").write_bytes(pickle.dumps({}))
        said = asked("data")
        assert "none of its 1 files holds a title that was watched" in said.message
        assert said.hint == "name another log of the folder: --data data/log.csv"

    def test_a_log_without_interactions_that_are_left_is_one_file(self, here):
        write(here / "log.csv", HEADER + rows("nan,{item},{rating},{time}\n"))
        said = asked("log.csv", bad_lines="skip")
        assert "no interaction is left; log.csv: " in said.message
        assert "both files" not in said.hint
