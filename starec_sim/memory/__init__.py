"""Memory retrieval: find the experiences of a user that are most similar to the slate."""
