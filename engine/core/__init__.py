"""The deterministic heart: state, `step`, portfolio, executor, journal, replay and the single-writer loop.

`step(state, event) -> effects` has no clock, no randomness, no I/O and no `await`; live, paper,
backtest and replay run the same one. Only the drivers (the loop, the journal thread) touch the world.
"""
