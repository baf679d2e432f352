"""Policies: the chat models that play users, and the gateway that every call goes through."""
