import random
import sqlite3
import stat
import string

import pytest

from starec_sim.errors import RunError
from starec_sim.runs.open_record import read_only
from starec_sim.runs.schema import FILE, SCHEMA_VERSION
from starec_sim.runs.store import Store, Texts
from starec_sim.runs.stored_values import StoredValueError
from starec_sim.runs.text_hash import text_hash


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, phrases=["You are a person.", '"Alien" | genre: Horror'])
    yield store
    store.close()


def count(store, table="texts"):
    return store.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


HASH_OF_ALIEN = "72e4646b0bfe3620d3d9d1e65a0ea4a8"


class TestTexts:
    def test_a_text_comes_back(self, store):
        for text in ("", "plain", "Amélie 日本 🎬", "a\x00b\n" * 1000):
            with store.transaction():
                stored = store.text(text)
            assert Texts(store.db)[stored] == text

    def test_equal_texts_are_stored_once(self, store):
        with store.transaction():
            assert store.text("same") == store.text("same") != store.text("other")
        assert count(store) == 2

    def test_equal_texts_of_two_processes_are_stored_once(self, tmp_path):
        first = Store(tmp_path)
        with first.transaction():
            number = first.text("same")
        first.close()
        second = Store(tmp_path)
        with second.transaction():
            assert second.text("same") == number
        second.close()

    def test_the_address_of_a_text_does_not_change(self):
        assert text_hash("Alien").hex() == HASH_OF_ALIEN

    def test_what_prompts_repeat_takes_next_to_no_space(self, tmp_path):
        letters = random.Random(1)
        cards = ["".join(letters.choices(string.ascii_letters + " ", k=80)) for _ in range(500)]
        sizes = {}
        for name, phrases in (("known", cards), ("unknown", [])):
            (tmp_path / name).mkdir()
            store = Store(tmp_path / name, phrases)
            with store.transaction():
                for number in range(100):
                    prompt = "\n".join(letters.sample(cards, 20))
                    store.text(f"{number}\n{prompt}")
            stored = store.db.execute("SELECT SUM(LENGTH(body)) FROM texts").fetchone()[0]
            sizes[name] = stored / (100 * 20 * 81)
            store.close()
        assert sizes["known"] < 0.08
        assert sizes["unknown"] > 0.5

    def test_messages_are_pairs_of_role_and_text(self, store):
        with store.transaction():
            number = store.text("hello")
        assert Texts(store.db).messages(f'[["user",{number}]]') == (("user", "hello"),)


class TestTransactions:
    def test_a_transaction_that_fails_leaves_nothing(self, store):
        with store.transaction():
            kept = store.text("kept")
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.text("lost")
            store.db.execute("INSERT INTO rounds VALUES (0, 0, 'x')")
            1 / 0  # noqa: B018
        assert (count(store), count(store, "rounds")) == (1, 0)
        with store.transaction():
            assert store.text("kept") == kept
            again = store.text("lost")
        assert Texts(store.db)[again] == "lost"

    def test_a_reader_sees_nothing_of_a_transaction_before_its_end(self, store, tmp_path):
        reader = read_only(tmp_path)
        with store.transaction():
            store.text("new")
            assert reader.execute("SELECT COUNT(*) FROM texts").fetchone() == (0,)
        assert reader.execute("SELECT COUNT(*) FROM texts").fetchone() == (1,)
        reader.close()

    def test_a_full_disk_is_an_error_and_loses_nothing_committed(self, store):
        with store.transaction():
            store.text("kept")
        pages = store.db.execute("PRAGMA page_count").fetchone()[0]
        store.db.execute(f"PRAGMA max_page_count = {pages}")
        noise = random.Random(1)
        with pytest.raises(RunError, match="full") as raised, store.transaction():
            for _ in range(100):
                store.text(noise.randbytes(5000).hex())
        assert "room" in raised.value.hint
        store.db.execute("PRAGMA max_page_count = 1000000")
        assert count(store) == 1
        with store.transaction():
            store.text("goes on")
        assert count(store) == 2


class TestTheFile:
    def test_a_closed_record_is_one_file_that_can_be_read_where_nothing_can_be_written(
        self, tmp_path
    ):
        store = Store(tmp_path)
        with store.transaction():
            store.text("here")
        store.close()
        assert [file.name for file in tmp_path.iterdir()] == [FILE]
        (tmp_path / FILE).chmod(stat.S_IRUSR)
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            db = read_only(tmp_path)
            assert db.execute("SELECT COUNT(*) FROM texts").fetchone() == (1,)
            db.close()
        finally:
            tmp_path.chmod(stat.S_IRWXU)
        assert [file.name for file in tmp_path.iterdir()] == [FILE]

    def test_a_record_that_is_being_read_can_be_closed(self, tmp_path):
        store = Store(tmp_path)
        with store.transaction():
            store.text("here")
        reader = read_only(tmp_path)
        assert reader.execute("SELECT COUNT(*) FROM texts").fetchone() == (1,)
        store.close()
        assert reader.execute("SELECT COUNT(*) FROM texts").fetchone() == (1,)
        reader.close()

    def test_a_folder_with_odd_characters_is_a_folder(self, tmp_path):
        folder = tmp_path / "a b?c#d%20e'ü"
        folder.mkdir()
        Store(folder).close()
        read_only(folder).close()

    def test_the_dictionary_of_the_first_process_stays(self, tmp_path):
        first = Store(tmp_path, ["the one dictionary"])
        with first.transaction():
            number = first.text("the one dictionary, again")
        first.close()
        second = Store(tmp_path, ["another"])
        assert Texts(second.db)[number] == "the one dictionary, again"
        second.close()

    def test_a_record_of_another_version_is_refused(self, tmp_path):
        Store(tmp_path).close()
        with sqlite3.connect(tmp_path / FILE) as db:
            db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
        db.close()
        for open_it in (Store, read_only):
            with pytest.raises(
                RunError, match=f"has schema 99, this version reads {SCHEMA_VERSION}"
            ):
                open_it(tmp_path)

    @pytest.mark.parametrize("damage", ["truncated", "noise", "text", "foreign"])
    def test_a_damaged_record_is_refused(self, tmp_path, damage):
        store = Store(tmp_path)
        with store.transaction():
            for number in range(2000):
                store.text(random.Random(number).randbytes(40).hex())
        store.close()
        path = tmp_path / FILE
        if damage == "truncated":
            path.write_bytes(path.read_bytes()[:30_000])
        elif damage == "noise":
            path.write_bytes(random.Random(1).randbytes(50_000))
        elif damage == "text":
            path.write_text("not a database, " * 100)
        else:
            path.unlink()
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE other (x)")
            db.close()
        before = path.read_bytes()
        for open_it in (Store, read_only):
            with pytest.raises(RunError, match="is damaged") as raised:
                open_it(tmp_path)
            assert "starec run" in raised.value.hint
        assert path.read_bytes() == before or damage == "foreign"

    def test_half_a_file_that_looks_whole_is_not_written_to(self, tmp_path):
        store = Store(tmp_path)
        with store.transaction():
            for number in range(2000):
                store.text(random.Random(number).randbytes(40).hex())
        store.close()
        path = tmp_path / FILE
        spoiled = bytearray(path.read_bytes())
        spoiled[-8192:-4096] = random.Random(1).randbytes(4096)
        path.write_bytes(spoiled)
        with pytest.raises(RunError, match="is damaged"):
            Store(tmp_path)

    def test_an_empty_file_is_a_record_that_has_not_begun(self, tmp_path):
        (tmp_path / FILE).touch()
        with pytest.raises(RunError, match="holds no record"):
            read_only(tmp_path)
        Store(tmp_path).close()
        read_only(tmp_path).close()

    def test_a_missing_file_is_an_error_for_readers(self, tmp_path):
        with pytest.raises(RunError, match="holds no record"):
            read_only(tmp_path)
        assert not (tmp_path / FILE).exists()

    def test_a_missing_text_is_a_damage(self, store):
        with pytest.raises(StoredValueError, match="text 7 is missing"):
            Texts(store.db)[7]
