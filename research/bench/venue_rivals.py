"""ccxt.pro set up to do what is measured, without a network, and how both sides are timed."""

from __future__ import annotations

import gc
import importlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from domain.instrument import Instrument

RULES = "JSON bytes to an event in exact integers that is checked, known ones left out"
URL = "wss://example.invalid/ws"
_opened: list[Any] = []


def ccxt_exchange(name: str, symbol: str, market_id: str, instrument: Instrument, **options: Any) -> Any:  # noqa: ANN401 - ccxt is untyped
    """A ccxt.pro exchange that knows one contract and asks nobody."""
    ccxt = importlib.import_module("ccxt.pro")
    exchange = getattr(ccxt, name)({"newUpdates": True, **options})
    base, _, quote = symbol.partition(":")[0].partition("/")
    contract = {
        "id": market_id, "symbol": symbol, "base": base, "quote": quote, "settle": quote, "type": "swap",
        "baseId": "0", "baseName": base, "swap": True, "contract": True, "linear": True, "inverse": False,
        "spot": False, "active": True, "contractSize": 1.0,
        "precision": {"price": 10 ** -instrument.price_decimals, "amount": 10 ** -instrument.qty_decimals},
        "limits": {"amount": {"min": None, "max": None}, "cost": {"min": 10, "max": None}},
        "info": {"orderTypes": ["LIMIT"]},
    }  # fmt: skip
    exchange.set_markets([exchange.safe_market_structure(contract)])
    return exchange


def ccxt_take(exchange: Any, url: str = URL) -> Callable[[bytes], object]:  # noqa: ANN401 - ccxt is untyped
    """What ccxt does with a frame: decode, and its handler."""
    client = exchange.client(url)
    _opened.append(exchange)
    return lambda frame: exchange.handle_message(client, json.loads(frame))


def once_us(frames: Sequence[bytes], take: Callable[[bytes], object]) -> float:
    """Microseconds a frame, each taken once, as a known one would be left out: the fastest twentieth of them."""
    size = max(1, len(frames) // 20)
    taken = []
    gc.collect()
    for first in range(0, len(frames) - size + 1, size):
        chunk = frames[first : first + size]
        began = time.perf_counter_ns()
        for frame in chunk:
            take(frame)
        taken.append((time.perf_counter_ns() - began) / size / 1_000)
    return min(taken)


async def close_all() -> None:
    """Release what ccxt holds."""
    for exchange in _opened:
        await exchange.close()
    _opened.clear()
