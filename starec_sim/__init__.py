"""starec-sim: a laboratory of simulated people in front of a recommender."""

__version__ = "0.1.0"
