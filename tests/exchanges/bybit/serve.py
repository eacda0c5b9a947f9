"""The local Bybit as a process of its own; see `tests.exchanges.serve`."""

from tests.exchanges.bybit.listing import KEY, SECRET
from tests.exchanges.bybit.server import Server
from tests.exchanges.serve import Local, main

LOCAL = Local(
    venue="BYBIT",
    open=lambda port: Server(port=port),
    accounts=[{"id": "BYBIT:main", "currency": "USDT", "api_key": "bybit_api_key", "key": "bybit_secret"}],
    secrets={"bybit_api_key": KEY, "bybit_secret": SECRET},
    instruments=["BTC-USDT-PERP.BYBIT", "ETH-USDT-PERP.BYBIT"],
)

if __name__ == "__main__":
    main(LOCAL)
