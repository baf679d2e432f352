"""How visits are executed."""
