"""Bybit's bench: the venue at a local server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.exchanges.bybit import desk as bybit
from tests.exchanges.bybit.server import Server
from tests.exchanges.contract.bench import CASH, Bench, ServerBench, started


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    async with Server(str(CASH)) as server:
        desk = bybit.desk_at(bybit.venue_at(server, request_timeout_s=0.5))
        async with started(ServerBench(server, desk)) as bench:
            yield bench
