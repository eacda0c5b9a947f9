"""Binance's bench: the venue at a local server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.exchanges.binance import desk as binance
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.contract.bench import CASH, Bench, ServerBench, started


class BinanceBench(ServerBench):
    """Its contract has finer lots."""

    too_small = "0.001"


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    async with BinanceServer(str(CASH)) as server:
        desk = binance.desk_at(server, binance.venue_at(server, request_timeout_s=0.5))
        async with started(BinanceBench(server, desk)) as bench:
            yield bench
