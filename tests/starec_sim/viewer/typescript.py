"""Read the interfaces of `types.ts`, and check JSON values against them.

Only what that file uses is understood: interfaces, unions, lists, tuples, records and literals.
"""

import re

TOKEN = re.compile(r'"[^"]*"|[A-Za-z_]\w*|[{}\[\]()<>|?:;,=]|\d+')
PLAIN = {"string": str, "number": (int, float), "boolean": bool, "null": type(None)}


def interfaces(text):
    """Return the types that a file exports, by name."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    reader = Reader(TOKEN.findall(text))
    found = {}
    while reader.tokens:
        reader.take("export")
        kind, name = reader.next(), reader.next()
        if kind == "interface":
            found[name] = reader.fields()
        else:
            reader.take("=")
            found[name] = reader.union()
            reader.take(";")
    return found


class Reader:
    def __init__(self, tokens):
        self.tokens = tokens

    def next(self):
        return self.tokens.pop(0)

    def take(self, token):
        found = self.next()
        assert found == token, (found, token, self.tokens[:8])

    def has(self, token):
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def fields(self):
        self.take("{")
        found = {}
        while not self.has("}"):
            name, optional = self.next(), self.has("?")
            self.take(":")
            found[name] = (optional, self.union())
            self.has(";")
        return ("object", found)

    def union(self):
        self.has("|")
        options = [self.lists()]
        while self.has("|"):
            options.append(self.lists())
        return ("union", options)

    def lists(self):
        found = self.primary()
        while self.tokens[:2] == ["[", "]"]:
            del self.tokens[:2]
            found = ("list", found)
        return found

    def primary(self):
        if self.tokens[0] == "{":
            return self.fields()
        if self.has("("):
            found = self.union()
            self.take(")")
            return found
        if self.has("["):
            parts = []
            while not self.has("]"):
                if self.tokens[1] == ":":
                    del self.tokens[:2]  # the label of a part
                parts.append(self.union())
                self.has(",")
            return ("tuple", parts)
        name = self.next()
        if name == "Record":
            self.take("<")
            self.union()
            self.take(",")
            values = self.union()
            self.take(">")
            return ("record", values)
        if self.tokens[:1] == ["["] and self.tokens[1] != "]":
            self.take("[")  # a type of a key of an interface
            key = self.next().strip('"')
            self.take("]")
            return ("key", name, key)
        return ("literal", name.strip('"')) if name.startswith('"') else ("name", name)


def problems(value, kind, types, at="$"):
    """Return where a JSON value is not of a type."""
    tag, about, *more = kind
    if tag == "union":
        tried = [problems(value, option, types, at) for option in about]
        return [] if [] in tried else min(tried, key=len)
    if tag == "literal":
        return [] if value == about else [f"{at}: {value!r} is not {about!r}"]
    if tag == "key":
        return problems(value, types[about][1][more[0]][1], types, at)
    if tag == "name" and about in types:
        return problems(value, types[about], types, at)
    if tag == "name":
        known = about == "unknown" or isinstance(value, PLAIN[about])
        return [] if known else [f"{at}: {value!r} is no {about}"]
    if tag in ("list", "tuple"):
        if not isinstance(value, list):
            return [f"{at}: {value!r} is no list"]
        parts = [about] * len(value) if tag == "list" else about
        pairs = enumerate(zip(value, parts, strict=True))
        return [each for n, (v, k) in pairs for each in problems(v, k, types, f"{at}[{n}]")]
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is no object"]
    if tag == "record":
        return [p for key, v in value.items() for p in problems(v, about, types, f"{at}.{key}")]
    missing = [f"{at}.{n} is missing" for n, (o, _) in about.items() if not o and n not in value]
    there = [(name, value[name], kind) for name, (_, kind) in about.items() if name in value]
    return missing + [p for n, v, k in there for p in problems(v, k, types, f"{at}.{n}")]
