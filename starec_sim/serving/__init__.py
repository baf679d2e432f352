"""A policy as an OpenAI-compatible endpoint, so that other processes can ask it.

For this machine only: it listens on loopback and refuses requests of web pages from elsewhere.
"""
