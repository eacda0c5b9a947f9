"""Hyperliquid: public market data, and the order side.

feed            `HyperliquidFeed`: the `MarketFeed`; connects, subscribes, comes back
router, wire    frames to events: order, repetition, nonsense; the wire formats
bars            letting finished candles go; fetching those that were not seen
info            POST /info: candles, contracts, `reachable`
history         past candles and funding rates, for the store
venue           `HyperliquidVenue`: the `Venue`; checks keys and clock, connects, comes back
outbox          requests batched, signed and sent; their answers
orders          what the venue's words about our orders mean to the engine
account         the read path: queries and snapshots
actions         wire forms of intents, client ids, nonces
signing         signatures of actions, `LocalSigner`
private         the private wire formats
socket          opening a WebSocket and hearing whether it lives
config          addresses of mainnet and testnet, patience, accounts
"""
