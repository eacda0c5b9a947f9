"""Benchmarks: each module measures one thing and returns rows of plain values; `run` puts them beside the peers'.

market      the peers' market data           backtests   their four cases, held to the oracle
core        events, gate, fifty strategies   l2          order-book replay with the market maker
live        tick to venue, burst             sockets     frame read to order written
journal     records, latency, bytes a day    feeds       frames decoded, conflation
peers       other engines' figures           run         `moondev bench`
vault       unlocking the keys, writing one
table       figures and targets on docs/benchmarks.md
"""
