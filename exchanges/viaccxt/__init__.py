"""The machinery between our `Venue` port and ccxt.pro: what Binance, Bybit and Phemex have in common.

dialect     `Dialect`: what a venue has to bring; `Call`, `Answer` and the outcomes it speaks of
client      `Client`: one ccxt.pro exchange; signed by the `Signer` port, carried on our session, heard frame by frame
signing     the placeholder in ccxt, `HmacSigner`, what may be signed at all
orders      `Orders`: our orders, and what the venue's words about them mean to the engine
outbox      `Outbox`: intents to calls, over the WebSocket or REST; what their answers mean
session     `Session`: one account: its client, its orders, its clock
limits      `Limits`: the venue's rate limits, kept before it does
venue       `CcxtVenue`: the `Venue`; opens the accounts, keeps their streams, reads
opening     what the `open.py` of each needs: a signer, and a client for some questions
feed        `PublicFeed`: the `MarketFeed` on aiohttp and msgspec; a venue brings a `FeedDialect`
bars        bars of a feed in order and without holes
book        `LocalBook`: an order book kept from deltas, by integers
pages       `PublicReader`: public REST questions, paced, for history and instruments
"""
