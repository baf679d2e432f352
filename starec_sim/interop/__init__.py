"""Tools of other projects, driven by starec-sim or driving it.

Each file imports the other project's package when it is used; `docs/interop-llm.md` says how to
install it.
"""
