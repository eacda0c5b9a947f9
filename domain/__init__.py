"""The nouns every room shares: instruments, market data, orders, accounts, desires, events, ports, errors.

The bottom floor: it imports no other room. Nouns are immutable `msgspec.Struct`s; prices and
quantities are integers in the instrument's scale, money is `Decimal`, time is `ts_ns`.
"""
