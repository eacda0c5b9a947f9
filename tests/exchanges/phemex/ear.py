"""Listening to the local Phemex."""

import json

from exchanges.phemex.open import open_feed
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from tests.exchanges.desk import WallClock
from tests.exchanges.listening import MINUTE_NS, Ear
from tests.exchanges.phemex.catalogue import LISTED
from tests.exchanges.phemex.desk import BTC, setup_of
from tests.exchanges.phemex.server import PhemexServer


class PhemexEar(Ear):
    """A candle has closed when another one follows. A lost change shows in the snapshot that comes every minute."""

    venue = "PHEMEX"
    instrument = BTC
    nonsense = (
        b"{",
        b"[]",
        b'{"trades_p":[[1,"Hold","1","1"]],"symbol":"BTCUSDT","type":"incremental"}',
        b'{"orderbook_p":{"asks":[],"bids":[]},"symbol":"XYZ"}',
        b'{"error":{"code":6001},"id":1}',
    )

    def __init__(self) -> None:
        super().__init__()
        self.server = PhemexServer()

    def open(self, patience: Patience) -> PublicFeed:
        return open_feed(setup_of(self.server), WallClock(), LISTED, patience)  # type: ignore[return-value]

    async def reveal(self, bid: str, ask: str) -> None:
        await self.server.quote(bid, ask)
        await self.server.gateway.repeat_books()

    async def close_candle(self, open_ns: int) -> None:
        for at_ns in (open_ns, open_ns + MINUTE_NS):
            row = [at_ns // 10**9, 60, "1", "50000", "50000", "50000", "50000", "1", "1"]
            frame = {"kline_p": [row], "sequence": 1, "symbol": "BTCUSDT", "type": "incremental"}
            self.feed._dialect.take("", json.dumps(frame).encode(), 1)
