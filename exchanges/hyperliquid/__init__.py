"""Hyperliquid: public market data, and the order side.

feed            `HyperliquidFeed`: the `MarketFeed`; connects, subscribes, comes back
router, wire    frames to events: order, repetition, nonsense; the wire formats
bars            letting finished candles go; fetching those that were not seen
info            POST /info: candles, contracts, `reachable`
history         past candles and funding rates, for the store
venue           `HyperliquidVenue`: the `Venue`; connects, comes back
watch           what is checked of an account at the start and looked at later: key, clock, allowance
limits          weight, messages and actions: what the venue lets us send
outbox          requests batched, queued for the limits and sent; their answers
batches         which requests go together; their actions, signed
nonces          rising numbers for each key, over restarts
orders          what the venue's words about our orders mean to the engine
account         the read path: queries and snapshots
actions         wire forms of intents, client ids
signing         signatures of actions, `LocalSigner`
private         the private wire formats
socket          opening a WebSocket and hearing whether it lives
config          addresses of mainnet and testnet, patience, accounts
"""
