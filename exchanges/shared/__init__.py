"""What the venues have in common.

setup       `VenueSetup` and the factory functions of every venue's `open.py`
meters      what a venue counts: sliding windows, allowances
budget      `Budget`: who may send now, who waits; the keeper of one venue's limits
payloads    unknown fields counted, messages that are not understood kept
gate        drives a `Budget` on the event loop
fleet       all real venues of one service, opened alike
reads       the read path: accounts and orders asked about, few at once, none twice
redial      a connection made again and again
tasks       tasks of one owner, none of which fails without a word
trouble     what the breakers of the engine are told
integers    decimal texts of a wire as integers, remembered
candles     when a candle is finished, where the venue does not say
pace        downloads, spread evenly
"""
