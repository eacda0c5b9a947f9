"""Benchmark strategies: they exist to be measured against the same rules in other engines, not to earn."""
