"""The local dYdX as a process of its own; see `tests.exchanges.serve`."""

from tests.exchanges.dydx.chain_facts import ADDRESS, TRADING_KEY
from tests.exchanges.dydx.server import DydxServer
from tests.exchanges.serve import Local, main

LOCAL = Local(
    venue="DYDX",
    open=lambda port: DydxServer(block_s=1.0, port=port),
    accounts=[
        {"id": "DYDX:main", "currency": "USDC", "address": ADDRESS, "key": "dydx_trading_key", "authenticator_id": 0}
    ],
    secrets={"dydx_trading_key": TRADING_KEY},
    instruments=["BTC-USDC-PERP.DYDX", "ETH-USDC-PERP.DYDX"],
)

if __name__ == "__main__":
    main(LOCAL)
