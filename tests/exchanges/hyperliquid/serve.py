"""The local Hyperliquid as a process of its own; see `tests.exchanges.serve`."""

from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer
from tests.exchanges.serve import Local, main

LOCAL = Local(
    venue="HYPERLIQUID",
    open=lambda port: ExchangeServer(port=port),
    accounts=[{"id": "HYPERLIQUID:main", "currency": "USDC", "address": MASTER, "key": "hyperliquid_agent"}],
    secrets={"hyperliquid_agent": AGENT_KEY},
    instruments=["BTC-USDC-PERP.HYPERLIQUID", "ETH-USDC-PERP.HYPERLIQUID", "DOGE-USDC-PERP.HYPERLIQUID"],
)

if __name__ == "__main__":
    main(LOCAL)
