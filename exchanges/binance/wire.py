"""Binance's formats: REST answers and the user data stream. Unknown fields are ignored, missing ones are errors."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct, field

from domain.errors import DataError

T = TypeVar("T")


class WireError(Struct):
    """A refusal."""

    code: int
    msg: str = ""


class WireTerms(Struct, rename="camel"):
    """What orders of both kinds tell; a refusal within a batch has `code` and `msg`."""

    symbol: str = ""
    side: str = ""
    price: str = "0"
    reduce_only: bool = False
    update_time: int = 0
    code: int = 0
    msg: str = ""


class WireOrder(WireTerms, rename="camel"):
    """An order, as answers and questions tell of it."""

    order_id: int = 0
    client_order_id: str = ""
    type: str = ""
    time_in_force: str = ""
    orig_qty: str = "0"
    executed_qty: str = "0"
    status: str = ""
    stop_price: str = "0"


class WireAlgo(WireTerms, rename="camel"):
    """A conditional order. Once it is triggered, `actual_order_id` is the order that it became."""

    algo_id: int = 0
    client_algo_id: str = ""
    order_type: str = ""
    quantity: str = "0"
    algo_status: str = ""
    trigger_price: str = "0"
    actual_order_id: str = ""


class StreamOrder(Struct):
    """`o` of ORDER_TRADE_UPDATE."""

    symbol: str = field(name="s")
    cid: str = field(name="c")
    side: str = field(name="S")
    execution: str = field(name="x")
    status: str = field(name="X")
    order_id: int = field(name="i")
    qty: str = field(name="q")
    price: str = field(name="p")
    filled: str = field(name="z")
    last_qty: str = field(name="l", default="0")
    last_price: str = field(name="L", default="0")
    fee: str = field(name="n", default="0")
    fee_asset: str = field(name="N", default="")
    trade_id: int = field(name="t", default=0)
    is_maker: bool = field(name="m", default=False)
    type: str = field(name="ot", default="")
    expiry_reason: str = field(name="er", default="")


class StreamAlgo(Struct):
    """`o` of ALGO_UPDATE."""

    cid: str = field(name="caid")
    algo_id: int = field(name="aid")
    symbol: str = field(name="s")
    status: str = field(name="X")
    order_id: str = field(name="ai", default="")
    reason: str = field(name="rm", default="")


class OrderUpdate(Struct):
    """ORDER_TRADE_UPDATE."""

    order: StreamOrder = field(name="o")
    time: int = field(name="T")


class AlgoUpdate(Struct):
    """ALGO_UPDATE."""

    order: StreamAlgo = field(name="o")
    time: int = field(name="T")


class WireTrade(Struct, rename="camel"):
    """One of userTrades."""

    id: int
    order_id: int
    symbol: str
    side: str
    price: str
    qty: str
    commission: str
    commission_asset: str
    maker: bool
    time: int


class WireIncome(Struct, rename="camel"):
    """One of income."""

    symbol: str
    income_type: str
    income: str
    asset: str
    time: int
    tran_id: int | str


class WirePosition(Struct, rename="camel"):
    """One of positionRisk."""

    symbol: str
    position_amt: str
    notional: str
    un_realized_profit: str
    position_side: str = "BOTH"


class WireBalance(Struct, rename="camel"):
    """One of balance."""

    asset: str
    balance: str


def decoded(body: bytes, kind: type[T], what: str) -> T:
    """An answer. Raises `DataError` when it makes no sense."""
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"Binance's {what} is not understood: {error}") from error
