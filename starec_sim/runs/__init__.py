"""Runs: one folder each, written by one process, read by anyone."""
