"""Recommenders: from a coin to matrix factorisation."""
