"""Run visits concurrently."""
