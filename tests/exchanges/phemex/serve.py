"""The local Phemex as a process of its own; see `tests.exchanges.serve`."""

from tests.exchanges.phemex.server import API_KEY, SECRET, PhemexServer
from tests.exchanges.serve import Local, main

LOCAL = Local(
    venue="PHEMEX",
    open=lambda port: PhemexServer(port=port),
    accounts=[
        {
            "id": "PHEMEX:main",
            "currency": "USDT",
            "api_key": "phemex_api_key",
            "key": "phemex_secret",
            "cannot_withdraw": True,
        }
    ],
    secrets={"phemex_api_key": API_KEY, "phemex_secret": SECRET},
    instruments=["BTC-USDT-PERP.PHEMEX", "ETH-USDT-PERP.PHEMEX"],
)

if __name__ == "__main__":
    main(LOCAL)
