"""Exports of a run for other tools, one module a format; they only read the record."""
