"""A client of the local Bybit that we did not write: plain ccxt.pro, with a real secret."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro

from tests.exchanges.bybit.listing import KEY, SECRET
from tests.exchanges.bybit.server import Server

SYMBOL = "BTC/USDT:USDT"


@asynccontextmanager
async def ccxt_at(server: Server, key: str = KEY, secret: str = SECRET) -> AsyncIterator[Any]:
    """ccxt's Bybit, pointed at the local one."""
    options = {"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap", "fetchCurrencies": False}
    exchange: Any = ccxt.pro.bybit({"apiKey": key, "secret": secret, "options": options, "enableRateLimit": False})
    exchange.urls["api"] = {
        **dict.fromkeys(("spot", "futures", "v2", "public", "private"), server.url),
        "ws": {
            "public": {"linear": f"{server.ws_url}/v5/public/linear"},
            "private": {"contract": f"{server.ws_url}/v5/private", "trade": f"{server.ws_url}/v5/trade"},
        },
    }
    exchange.has["fetchCurrencies"] = False
    exchange.aiohttp_trust_env = False
    try:
        yield exchange
    finally:
        await exchange.close()
