"""Phemex's bench: the venue at a local server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.exchanges.contract.bench import CASH, Bench, ServerBench, started
from tests.exchanges.phemex import desk as phemex
from tests.exchanges.phemex.server import PhemexServer


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    async with PhemexServer(str(CASH)) as server:
        desk = phemex.desk_at(phemex.venue_at(server, request_timeout_s=0.5))
        async with started(ServerBench(server, desk)) as bench:
            yield bench
