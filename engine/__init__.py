"""The trading engine: the core, strategies, indicators, market data, storage and the desk.

`core` is the deterministic heart, `strategies` and `indicators` are what it runs, `data` feeds it,
`storage` projects its facts into SQL. `desk` is the only module that bot and gateway may import.
"""
