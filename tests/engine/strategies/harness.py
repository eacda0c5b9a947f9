"""The bench that strategies are tested on, as their authors have it."""

from engine.strategies.testing import BTC, ETH, MINUTE_NS, SECOND_NS, START_NS, Bench, BenchView

__all__ = ["BTC", "ETH", "MINUTE_NS", "SECOND_NS", "START_NS", "Bench", "BenchView"]
