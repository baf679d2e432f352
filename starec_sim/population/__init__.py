"""Runs in which users are of several kinds, each with an agent and policies of its own."""
