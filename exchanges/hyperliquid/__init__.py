"""Hyperliquid, the public market-data side.

feed            `HyperliquidFeed`: the `MarketFeed`; connects, subscribes, comes back
router, wire    frames to events: order, repetition, nonsense; the wire formats
candles, bars   when a candle is finished; fetching those that were not seen
info            POST /info: candles, contracts, `reachable`
history         past candles and funding rates, for the store
config          addresses of mainnet and testnet, patience
"""
