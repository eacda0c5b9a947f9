"""dYdX on the bench: the venue at a local server whose blocks come every 100 ms."""

import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.exchanges.contract.bench import CASH, Bench, started
from tests.exchanges.dydx import desk as dydx
from tests.exchanges.dydx.server import DydxServer

BLOCK_S = 0.1


class DydxBench(Bench):
    """The dYdX venue at a local server. What moves its market, and an end of faults, makes a block."""

    too_small = ""

    def __init__(self, server: DydxServer, folder: Path) -> None:
        self.server = server
        self.desk = dydx.desk_at(dydx.venue_at(server, folder, request_timeout_s=0.5, threaded=False))

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
        self.server.room.produce()

    async def gap(self) -> None:
        self.server.faults.refuse_ws = True
        self.server.cut()


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    with tempfile.TemporaryDirectory() as folder:
        async with DydxServer(str(CASH), BLOCK_S) as server:
            bench = DydxBench(server, Path(folder))
            await bench.quote("49990", "50010")
            async with started(bench):
                yield bench
