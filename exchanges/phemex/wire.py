"""Phemex's formats: answers of its USDT perpetuals and the account's stream.

Unknown fields are ignored, missing ones are errors. Prices, quantities and values are decimal strings (`Rp`, `Rq`,
`Rv`), times are nanoseconds unless a name says else.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from domain.errors import DataError, VenueError
from exchanges.viaccxt.dialect import Answer

T = TypeVar("T")
NO_EXEC = "00000000-0000-0000-0000-000000000000"
NO_ORDERS = 10_002
"""OM_ORDER_NOT_FOUND: also the answer of who asks for open orders and has none."""


class Envelope(Struct):
    """Every answer but those of market data; `code` is a number or its text."""

    code: int = 0
    msg: str | None = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class Rows(Struct, Generic[T]):
    """Most lists; some come bare."""

    rows: list[T] = field(default_factory=list)


class Time(Struct):
    """The venue's clock."""

    ms: int = field(name="serverTime")


class WireOrder(Struct):
    """An order, as answers to requests and the list of open orders tell of it."""

    symbol: str = ""
    id: str = field(name="orderID", default="")
    cid: str = field(name="clOrdID", default="")
    side: str = ""
    type: str = field(name="orderType", default="")
    tif: str | None = field(name="timeInForce", default="")
    status: str = field(name="ordStatus", default="")
    price: str = field(name="priceRp", default="0")
    qty: str = field(name="orderQtyRq", default="0")
    filled: str = field(name="cumQtyRq", default="0")
    trigger: str = field(name="stopPxRp", default="0")
    reduce_only: bool = field(name="reduceOnly", default=False)
    instruction: str | None = field(name="execInst", default="")
    action_ns: int = field(name="actionTimeNs", default=0)
    changed_ns: int = field(name="transactTimeNs", default=0)
    error: int = field(name="bizError", default=0)


class WirePast(Struct):
    """An order as /api-data tells of it; its ids are called otherwise there, or not."""

    status: str = field(name="ordStatus")
    price: str = field(name="priceRp")
    qty: str = field(name="orderQtyRq")
    filled: str = field(name="cumQtyRq")
    changed_ns: int = field(name="transactTimeNs", default=0)
    order_id: str = field(name="orderId", default="")
    client_id: str = field(name="clOrdId", default="")
    trading_id: str = field(name="orderID", default="")
    trading_client_id: str = field(name="clOrdID", default="")

    @property
    def id(self) -> str:
        """The venue's id."""
        return self.order_id or self.trading_id

    @property
    def cid(self) -> str:
        """Our id."""
        return self.client_id or self.trading_client_id


class WireTrade(Struct):
    """One fill of /api-data/g-futures/trades."""

    id: str = field(name="execID")
    order_id: str = field(name="orderID")
    cid: str = field(name="clOrdID")
    symbol: str
    side: str
    qty: str = field(name="execQtyRq")
    price: str = field(name="execPriceRp")
    fee: str = field(name="execFeeRv")
    kind: str = field(name="tradeType")
    execution: str = field(name="execStatus")
    time_ns: int = field(name="transactTimeNs")


class WireFunding(Struct):
    """One payment of /api-data/g-futures/funding-fees; what was paid is positive."""

    symbol: str
    fee: str = field(name="execFeeRv")
    time_ms: int = field(name="createTime")


class WireAccount(Struct):
    """Cash, with what has been realised."""

    cash: str = field(name="accountBalanceRv")


class WirePosition(Struct):
    """A position, of REST and of the stream; `side` is Buy, Sell or None and the size never negative."""

    symbol: str
    side: str
    mode: str = field(name="posMode", default="OneWay")
    size: str | None = None
    size_rq: str | None = field(name="sizeRq", default=None)
    value: str = field(name="valueRv", default="0")
    leverage: str = field(name="leverageRr", default="0")
    funding: str = field(name="cumFundingFeeRv", default="0")
    changed_ns: int = field(name="transactTimeNs", default=0)

    @property
    def qty(self) -> str:
        """Its size, whatever the field is called."""
        return self.size_rq if self.size is None and self.size_rq is not None else self.size or "0"


class AccountPositions(Struct):
    """/g-accounts/accountPositions."""

    account: WireAccount
    positions: list[WirePosition] = field(default_factory=list)


class FeeRate(Struct):
    """Commission of one contract, times 10**8."""

    symbol: str
    taker: int = field(name="takerFeeRateEr")
    maker: int = field(name="makerFeeRateEr")


class FeeRates(Struct):
    """/api-data/futures/fee-rate."""

    rates: list[FeeRate] = field(name="symbolFeeRates", default_factory=list)


class StreamOrder(Struct):
    """One entry of `orders_p`: an order after something that happened to it, which may be a fill."""

    symbol: str
    id: str = field(name="orderID")
    cid: str = field(name="clOrdID")
    side: str
    status: str = field(name="ordStatus")
    execution: str = field(name="execStatus")
    price: str = field(name="priceRp")
    qty: str = field(name="orderQty")
    filled: str = field(name="cumQty")
    trigger: str = field(name="stopPxRp", default="0")
    action: str = "New"
    time_ns: int = field(name="transactTimeNs", default=0)
    exec_id: str = field(name="execID", default=NO_EXEC)
    exec_qty: str = field(name="execQty", default="0")
    exec_price: str = field(name="execPriceRp", default="0")
    fee: str = field(name="execFeeRv", default="0")
    liquidity: str | None = field(name="lastLiquidityInd", default="")
    kind: str | None = field(name="tradeType", default="")
    refusal: int = field(name="cxlRejReason", default=0)
    code: int = 0
    message: str | None = ""


class Aop(Struct):
    """A message of aop_p: account, orders, positions."""

    type: str
    orders: list[StreamOrder] = field(name="orders_p", default_factory=list)
    positions: list[WirePosition] = field(name="positions_p", default_factory=list)


def envelope(answer: Answer) -> Envelope:
    """What came back. Raises `DataError` for what is not Phemex's."""
    try:
        return msgspec.json.decode(answer.body, type=Envelope, strict=False)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"Phemex's answer is not understood: {error}") from error


def told(answer: Answer, kind: type[T], what: str) -> T:
    """The data of an answer. Raises `VenueError` with the venue's words when it refuses, `DataError` for no sense."""
    if answer.status != 200:
        said = answer.body[:300].decode(errors="replace")
        raise VenueError(f"Phemex did not answer {what}: HTTP {answer.status} {said}")
    found = envelope(answer)
    if found.code:
        raise VenueError(f"Phemex did not answer {what}: {found.code} {found.msg}")
    return data_of(found.data, kind, what)


def data_of(data: msgspec.Raw, kind: type[T], what: str) -> T:
    """The data of an envelope. Raises `DataError`."""
    try:
        return msgspec.json.decode(data, type=kind, strict=False)
    except msgspec.DecodeError as error:
        raise DataError(f"Phemex's {what} is not understood: {error}") from error


def rows_of(answer: Answer, kind: type[T], what: str) -> list[T]:
    """The rows of an answer, whether they come bare or not. Raises as `told` does."""
    raw = told(answer, msgspec.Raw, what)
    if bytes(raw)[:1] == b"[":
        return data_of(raw, list[kind], what)  # type: ignore[valid-type]
    return data_of(raw, Rows[kind], what).rows  # type: ignore[valid-type]
