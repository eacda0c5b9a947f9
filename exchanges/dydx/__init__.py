"""dYdX v4: public market data, and an order side of transactions that we make, sign and send ourselves.

open            as every venue is opened
feed, book      `DydxFeed`: the `MarketFeed`; the local order book, uncrossed
history         past candles and funding rates, for the store
venue, opening  `DydxVenue`: the `Venue`; what has to be right before the first order
outbox          requests as transactions, within the chain's rates; their answers
orders          what the venue's words about our orders mean to the engine
account         the read path: queries and snapshots
ids             our order ids in the venue's 32 bits, by a counter on disk
blocks, turns   height, time and nonces of the chain; who may rest an order next
chain, signing  transactions; `LocalSigner`
authenticators  what a permissioned key may sign for the account: orders, and nothing else
markets         contracts, fees and limits, read from the venue
wire, http, socket   the indexer's words; asking; the WebSocket and its holes
config          addresses of mainnet and testnet, patience, accounts
"""
