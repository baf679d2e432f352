"""Readers that turn files into a `Dataset`, and the generated world."""
