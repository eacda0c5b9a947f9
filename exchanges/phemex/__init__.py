"""Phemex USDT perpetuals (one-way mode, the venue's "g-" endpoints), through ccxt's signatures and addresses.

config.py     networks, what may be signed, how a signer sees what it signs
wire.py       the venue's formats
markets.py    its contracts
requests.py   intents as requests
dialect.py    what answers and the account's stream mean
account.py    checks at the start, and the read path
open.py       how a venue is opened: see `exchanges.shared.setup`
"""
