"""Small worlds with users and items of their own; `docs/worlds.md` says what each models."""
