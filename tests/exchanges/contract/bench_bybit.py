"""Bybit's bench: the venue at a local server."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.exchanges.bybit import desk as bybit
from tests.exchanges.bybit.server import Server
from tests.exchanges.contract.bench import CASH, Bench, started


class BybitBench(Bench):
    """The Bybit venue at a local server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.desk = bybit.desk_at(bybit.venue_at(server, request_timeout_s=0.5))

    async def quote(self, bid: str, ask: str, size: str = "10") -> None:
        await self.server.quote(bid, ask, size)

    def lose_answers(self) -> None:
        self.server.faults.drop_answers = 1
        self.server.faults.mute_streams = True

    def lose_requests(self) -> None:
        self.server.faults.lose_requests = 1

    def limit_rate(self) -> None:
        self.server.faults.statuses = [429]

    def disorder(self) -> None:
        self.server.faults.duplicate = True
        self.server.faults.shuffle = random.Random(7)

    def heal(self) -> None:
        self.server.faults.__init__()  # type: ignore[misc]

    async def gap(self) -> None:
        self.server.faults.refuse_ws = True
        self.server.cut()


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    async with Server(str(CASH)) as server:
        bench = BybitBench(server)
        await bench.quote("49990", "50010")
        async with started(bench):
            yield bench
