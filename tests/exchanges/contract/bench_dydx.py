"""dYdX on the bench: the venue at a local server whose blocks come every 100 ms."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.exchanges.contract.bench import CASH, Bench, ServerBench, started
from tests.exchanges.dydx import desk as dydx
from tests.exchanges.dydx.server import DydxServer

BLOCK_S = 0.1


class DydxBench(ServerBench):
    """It has no minimum. What moves its market, and an end of faults, makes a block."""

    too_small = ""

    def heal(self) -> None:
        super().heal()
        self.server.room.produce()


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    with tempfile.TemporaryDirectory() as folder:
        async with DydxServer(str(CASH), BLOCK_S) as server:
            venue = dydx.venue_at(server, Path(folder), request_timeout_s=0.5, threaded=False)
            async with started(DydxBench(server, dydx.desk_at(venue))) as bench:
                yield bench
