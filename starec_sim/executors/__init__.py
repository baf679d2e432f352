"""Ways to play the visits of a round. Same nodes, same results."""
