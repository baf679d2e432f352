"""The environments, recommenders and dataset readers that ship."""
