"""Policies: the chat models that play users, and the one door to them."""
