"""The local Binance as a process of its own; see `tests.exchanges.serve`."""

from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.binance.venue_rules import API_KEY, SECRET
from tests.exchanges.serve import Local, main

LOCAL = Local(
    venue="BINANCE",
    open=lambda port: BinanceServer(port=port),
    accounts=[{"id": "BINANCE:main", "currency": "USDT", "api_key": "binance_api_key", "key": "binance_secret"}],
    secrets={"binance_api_key": API_KEY, "binance_secret": SECRET},
    instruments=["BTC-USDT-PERP.BINANCE", "ETH-USDT-PERP.BINANCE"],
)

if __name__ == "__main__":
    main(LOCAL)
