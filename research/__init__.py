"""Backtest, optimise, report: the drivers that run the same `step` over recorded tapes.

The only front room that may import `exchanges.paper` and drive the core directly.
"""
