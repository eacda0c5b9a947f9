"""Bybit v5 linear perpetuals, over `exchanges.viaccxt`.

open       as every venue is opened
config     networks, what may be signed, how ccxt is set up
wire       formats of answers and of the private streams
markets    instruments-info, fees and risk limits to `Instrument`
requests   intents to calls, one by one or in batches
dialect    what acks and streams mean: an ack is not an acceptance
start      what is checked and set before an account is traded
account    the read path
feed       the public streams
history    past candles and funding rates
"""
