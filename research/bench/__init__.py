"""Benchmarks of our own parts, each a module with `run()` that returns rows of plain values."""
