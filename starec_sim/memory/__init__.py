"""Memory retrieval: which of a user's experiences have to do with what she sees now."""
