"""How the visits of a round are played."""
