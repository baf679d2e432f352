"""Recommenders, from random order to sequence models."""
