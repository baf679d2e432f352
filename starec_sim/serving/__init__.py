"""Serving: a policy at an OpenAI-compatible endpoint, so that other processes share it.

For this machine only: it listens on loopback, and refuses what a web page of somebody else's sends.
Needs starlette and uvicorn, which come with the extra `serve`.
"""
