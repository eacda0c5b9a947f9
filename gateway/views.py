"""The table of views: what can be read of the service, by name. Routes, feed and command line read nothing else.

A reader is given the desk and the arguments as they came, as text; it raises `BadArgument`. What it returns is put
into JSON once: amounts are strings of decimals, times are nanoseconds UTC.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from domain.risk_views import StressView
from domain.views import EquityPoint, OrderView, TradeRow
from engine.desk import Desk
from gateway.source import BadArgument

View: TypeAlias = Callable[[Desk, Mapping[str, str]], object | Awaitable[object]]

MOST_ROWS: Final = 2_000


def _limit(arguments: Mapping[str, str], usual: int) -> int:
    text = arguments.get("limit", str(usual))
    if text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= MOST_ROWS:
        return int(text)
    raise BadArgument(f"limit is a whole number from 1 to {MOST_ROWS}")


def _orders(desk: Desk, arguments: Mapping[str, str]) -> list[OrderView]:
    recent = arguments.get("recent", "false")
    if recent not in {"true", "false"}:
        raise BadArgument("recent is true or false")
    return desk.orders(recent=recent == "true")


def _trades(desk: Desk, arguments: Mapping[str, str]) -> list[TradeRow]:
    return desk.trades(_limit(arguments, 100))


def _equity(desk: Desk, arguments: Mapping[str, str]) -> list[EquityPoint]:
    return desk.equity_curve(_limit(arguments, MOST_ROWS))


def _stress(desk: Desk, arguments: Mapping[str, str]) -> list[StressView]:
    found = desk.stress(arguments.get("what", ""))
    if isinstance(found, str):
        raise BadArgument(found)
    return found


VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        "status": lambda desk, _: desk.status(),
        "positions": lambda desk, _: desk.positions(),
        "orders": _orders,
        "strategies": lambda desk, _: desk.strategies(),
        "pnl": lambda desk, _: desk.pnl(),
        "balances": lambda desk, _: desk.balances(),
        "pending": lambda desk, _: desk.pending(),
        "venues": lambda desk, _: desk.venues(),
        "breakers": lambda desk, _: desk.breakers(),
        "incidents": lambda desk, _: desk.incidents(),
        "trades": _trades,
        "equity": _equity,
        "risk": lambda desk, _: desk.risk(),
        "stress": _stress,
    }
)
