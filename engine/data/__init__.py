"""Market data in: feeds, importers that refuse files that lie, recording and the synthetic market."""
