"""Listening to the local Binance."""

import json

from exchanges.binance.open import open_feed
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from tests.exchanges.binance.desk import setup_at
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.desk import WallClock
from tests.exchanges.listening import Ear


class BinanceEar(Ear):
    """It says of the last kline of a minute that it is closed."""

    venue = "BINANCE"
    nonsense = (b"{", b"[]", b'{"e":"aggTrade","s":"BTCUSDT"}', b'{"e":"nonsense"}')

    def __init__(self) -> None:
        super().__init__()
        self.server = BinanceServer()
        self.instrument = self.server.room.instruments[0]

    def open(self, patience: Patience) -> PublicFeed:
        return open_feed(setup_at(self.server), WallClock(), [self.instrument], patience)  # type: ignore[return-value]

    async def close_candle(self, open_ns: int) -> None:
        open_ms = open_ns // 10**6
        texts = {"o": "50000.0", "h": "50000.0", "l": "50000.0", "c": "50000.0", "v": "1"}
        k = {"t": open_ms, "T": open_ms + 59_999, "s": "BTCUSDT", "i": "1m", "x": True, **texts}
        self.feed._dialect.take("", json.dumps({"e": "kline", "E": 1, "s": "BTCUSDT", "k": k}).encode(), 1)
