"""Hyperliquid: wire formats and the public market-data stream."""
