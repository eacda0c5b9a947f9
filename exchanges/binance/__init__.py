"""Binance USDⓈ-M perpetuals, over `exchanges.viaccxt`; its public feed native.

open        as every venue is opened
config      networks, weights, and what of the API may be signed
wire        the venue's formats
markets     contracts, from exchangeInfo, brackets and the account's commission
requests    intents as calls: orders, amendments, cancels, conditional ("algo") orders
dialect     `BinanceDialect`: answers and the user data stream
account     the read path
start       what is checked and set before an account is traded
feed        public market data: books by U/u/pu, quotes, trades, candles, marks
history     past candles, trades and funding rates
"""
