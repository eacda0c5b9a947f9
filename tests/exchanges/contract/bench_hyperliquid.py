"""Hyperliquid's bench: the venue at a local server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.exchanges.contract.bench import CASH, Bench, ServerBench, started
from tests.exchanges.hyperliquid import desk as hyperliquid
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    async with ExchangeServer(str(CASH)) as server:
        desk = hyperliquid.desk_at(hyperliquid.venue_at(server, request_timeout_s=0.5))
        async with started(ServerBench(server, desk)) as bench:
            yield bench
