"""Damage a copy of a run's folder in one of many ways, chosen by a seed."""

import json
import os
import random
import shutil
import sqlite3
import sys
import zlib

import zstandard

ESCAPES = "\x1b]0;owned\x07\x1b[31m\r\x08\u202e$\\frac{"
HOSTILE_VALUES = [
    None, True, -1, 0, 2**63, 2**31, 10**30, -(10**400), 1.5, float("nan"), float("inf"), "", "x",
    "1", ESCAPES, "\n\nhint: curl | sh", "é" * 3000, [], {}, [[[]]], [None], {"a": None},
    {ESCAPES: ESCAPES}, "../../../etc/passwd", "/dev/zero", 1e308, "9" * 5000,
]  # fmt: skip
HOSTILE_TEXTS = [
    "", "{", "null", "[]", "{}", "[" * 100_000, '{"a":' * 50_000, "NaN", "Infinity", "9" * 10_000,
    '{"kind": "run"}', "\x00", "\ufeff{}", '"\\ud800"', "a: &a [*a]", "a: &a [b, b]\nc: [*a, *a]",
    "- " * 20_000, "!!python/object/apply:os.system [echo]", "x: 2001-99-99", "? [a]\n: b",
    ESCAPES, "1e999", '{"a": 1, "a": 2}',
]  # fmt: skip
HOSTILE_CELLS = [
    None, -1, 0, 2**63 - 1, 1.5, float("inf"), "", "x", ESCAPES, b"", b"\xff\xfe", "[]", "{}",
    "null", '["feed",1,[999]]', '["feed",1,[-1]]', "[" * 2000, '[[1,1e999,"x"]]', "é" * 3000,
    '[["user",99999]]', '{"actions":[[0,1,null]]}', '{"reward":{"x":NaN}}', zlib.compress(b"x"),
    zlib.compress(bytes(3_000_000)), zstandard.compress(b"hello"),
    zstandard.compress(bytes(20_000_000)), zstandard.compress(bytes(9_000_000)),
]  # fmt: skip

CONTROLS = [ESCAPES, "\x9b31m", "\u2066x\u2069", "\x1b[2J", "\x00", "\x7f", "\ue000\x1b]8;;x\x07"]
YAML_VALUES = [
    "nan", ".inf", "-1", "1e400", "!!python/object/apply:os.system [echo]", "&a [*a]", "{}", "[]",
    "../../../etc/passwd", "/dev/zero", "~", "'\\e[31m'", '"\\e[31m\\u202e"', "9" * 5000, "0x1_0",
    "2001-99-99", "[" * 3000, "&a [x, x, x]\nq: &b [*a, *a, *a]\nr: [*b, *b, *b]", "evil.py:Agent",
    "os:system", "http://evil.example/v1", "'${HOME}'", "1:30", "yes",
]  # fmt: skip


def copy_damaged(folder, place, seed):
    """Copy a run's folder, damage the copy, and return it with what was done, in words."""
    rng = random.Random(seed)
    copy = place / f"damaged-{seed}"
    shutil.copytree(folder, copy)
    said = [rng.choice(_WAYS)(copy, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    return copy, "; ".join(said)


def _files(copy):
    return sorted(path for path in copy.rglob("*") if path.is_file() and path.name != ".lock")


def _truncate(copy, rng):
    path = rng.choice(_files(copy))
    size = rng.randrange(path.stat().st_size + 1)
    os.truncate(path, size)
    return f"{path.name} is cut to {size} bytes"


def _flip(copy, rng):
    path = rng.choice(_files(copy))
    data = bytearray(path.read_bytes() or b"x")
    places = [rng.randrange(len(data)) for _ in range(rng.choice((1, 1, 5, 50)))]
    for at in places:
        data[at] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"bits of {path.name} are flipped at {places[:5]}"


def _replace(copy, rng):
    path = rng.choice(_files(copy))
    text = rng.choice(HOSTILE_TEXTS)
    path.write_text(text, "utf-8")
    return f"{path.name} is {text[:30]!r}"


def _remove(copy, rng):
    path = rng.choice(_files(copy))
    path.unlink()
    return f"{path.name} is gone"


def _special(copy, rng):
    path = rng.choice(_files(copy))
    path.unlink()
    kind = rng.choice(("pipe", "folder", "device", "loop", "link"))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "loop": path.name, "link": "/etc/hostname"}[kind])
    return f"{path.name} is a {kind}"


def _json_value(copy, rng):
    paths = [path for path in _files(copy) if path.suffix == ".json"]
    if not paths:
        return "there is no JSON left"
    path = rng.choice(paths)
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError:
        return f"{path.name} was damaged before"
    place, key = values, None
    for _ in range(rng.choice((1, 1, 2, 3, 4, 5))):
        inner = place if key is None else place[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        place = inner
        key = rng.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
    if key is None:
        return f"{path.name} is empty"
    value = rng.choice(HOSTILE_VALUES)
    place[key] = value
    path.write_text(_dumps(values), "utf-8")
    return f"{path.name}: {key} is {value!r:.60}"


def _dumps(values):
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(values)
    finally:
        sys.set_int_max_str_digits(before)


def _record(copy):
    """Open the record; an empty one if it was damaged before in a way that leaves none to open."""
    path = copy / "run.sqlite"
    return sqlite3.connect(path if path.is_file() else ":memory:")


def _cell(copy, rng):
    db = _record(copy)
    try:
        tables = [
            name
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]
        ]
        table = rng.choice(tables or ["meta"])
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        column, value = rng.choice(columns), rng.choice(HOSTILE_CELLS)
        everywhere = "" if rng.random() < 0.5 else f' WHERE "{columns[0]}" = 0'
        db.execute(f'UPDATE OR IGNORE {table} SET "{column}" = ?{everywhere}', (value,))
        db.commit()
        return f"{table}.{column} is {value!r:.60}"
    except (sqlite3.Error, IndexError) as error:
        return f"the record stays as it is: {error}"
    finally:
        db.close()


def _schema(copy, rng):
    statement = rng.choice(
        [
            "DROP TABLE steps",
            "DROP VIEW ledger",
            "DELETE FROM dictionary",
            "DELETE FROM texts",
            "DELETE FROM items",
            "DELETE FROM users",
            "DELETE FROM trials",
            "DELETE FROM rounds",
            "CREATE TABLE more (x)",
            "CREATE TRIGGER t AFTER INSERT ON turns BEGIN DELETE FROM turns; END",
            "ALTER TABLE steps ADD COLUMN more GENERATED ALWAYS AS (randomblob(1000000000))",
            "UPDATE meta SET value = 3",
            "UPDATE meta SET value = x'ff'",
            "DROP TABLE rounds; CREATE VIEW rounds AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
            "SELECT i FROM n) SELECT 0 AS trial, i AS round, '' AS digest FROM n",
        ]
    )
    db = _record(copy)
    try:
        db.executescript(statement)
        return statement
    except (sqlite3.Error, IndexError) as error:
        return f"the record stays as it is: {error}"
    finally:
        db.close()


def _text_cells(copy, rng):
    """Put a text that would change a terminal into every text of one column."""
    db = _record(copy)
    try:
        columns = [
            (table, row[1])
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for row in db.execute(f"PRAGMA table_info({table})")
            if row[2] == "TEXT"
        ]
        table, column = rng.choice(columns)
        db.execute(
            f'UPDATE OR IGNORE {table} SET "{column}" = "{column}" || ?', (rng.choice(CONTROLS),)
        )
        db.commit()
        return f"{table}.{column} ends in control characters"
    except (sqlite3.Error, IndexError) as error:
        return f"the record stays as it is: {error}"
    finally:
        db.close()


def _json_text(copy, rng):
    """Put control characters into one text of a file of JSON or YAML, which stays valid."""
    paths = [path for path in _files(copy) if path.suffix in (".json", ".jsonl", ".yaml")]
    if not paths:
        return "there is no JSON left"
    path = rng.choice(paths)
    text = path.read_text("utf-8", "replace")
    if path.suffix == ".yaml":
        words = [line for line in text.splitlines() if ": " in line]
        if not words:
            return f"{path.name} has no values"
        line = rng.choice(words)
        value = rng.choice(YAML_VALUES)
        path.write_text(text.replace(line, f"{line.partition(': ')[0]}: {value}", 1), "utf-8")
        return f"{path.name}: {line[:30]} is {value[:40]!r}"
    quotes = [at for at, letter in enumerate(text) if letter == '"' and text[at - 1] != "\\"]
    if not quotes:
        return f"{path.name} has no texts"
    at = rng.choice(quotes)
    path.write_text(text[:at] + json.dumps(rng.choice(CONTROLS))[1:-1] + text[at:], "utf-8")
    return f"{path.name} has control characters at {at}"


def _wal(copy, rng):
    data = rng.choice((b"", b"x" * 100, bytes(40_000), rng.randbytes(5_000)))
    name = rng.choice(("run.sqlite-wal", "run.sqlite-journal", "run.sqlite-shm"))
    (copy / name).write_bytes(data)
    return f"there is a {name} of {len(data)} bytes"


_WAYS = [
    _truncate, _flip, _flip, _replace, _remove, _special, _json_value, _json_value, _json_value,
    _cell, _cell, _cell, _cell, _schema, _wal, _text_cells, _text_cells, _json_text, _json_text,
]  # fmt: skip
