"""Market data in: feeds, importers that refuse files that lie, tapes, conflation, and the synthetic market.

synthetic, synthetic_feed      a seeded market: events for backtests, a `MarketFeed` in real time
importers, tables, scale       Parquet and CSV into columns, columns into events, instruments for files
l2, arrays                     recorded WebSocket tapes into events, and into rows for the matching rules
tape                           several sources merged in the order of knowing them; a `MarketFeed` of a tape
store, cli, guess              what was fetched, recorded or imported, by name; the verb `data`
conflate, monitor              fewer events by their own time; lag, silence and holes as `FeedStatus`
"""
