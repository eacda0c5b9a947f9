"""Listening to the local Bybit."""

from exchanges.bybit.open import open_feed
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from tests.exchanges.bybit.desk import setup_at
from tests.exchanges.bybit.listing import BTC
from tests.exchanges.bybit.server import Server
from tests.exchanges.desk import WallClock
from tests.exchanges.listening import MINUTE_NS, Ear


class BybitEar(Ear):
    """It confirms a candle that has closed. Trades have ids of their own."""

    venue = "BYBIT"
    instrument = BTC
    nonsense = (
        b"{",
        b"[]",
        b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"S":"Hold"}]}',
        b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{}}',
    )

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()

    def open(self, patience: Patience) -> PublicFeed:
        return open_feed(setup_at(self.server), WallClock(), [BTC], patience)  # type: ignore[return-value]

    async def trade(self, price: str = "50000", size: str = "0.25", side: int = -1) -> None:
        await self.server.trade(side, price, size)

    async def close_candle(self, open_ns: int) -> None:
        data = self.server.markets["BTCUSDT"].running("1", (open_ns + MINUTE_NS) // 10**6 - 1) | {"confirm": True}
        await self.server.talk._publish("kline.1.BTCUSDT", {"type": "snapshot", "ts": 1, "data": [data]})
