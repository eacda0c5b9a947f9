"""Bybit's formats: REST answers and the private streams. Unknown fields are ignored, missing ones are errors."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from domain.errors import DataError, VenueError
from exchanges.viaccxt.dialect import Answer

T = TypeVar("T")


class Code(Struct):
    """How one order of a batch fared."""

    code: int
    msg: str = ""


class Codes(Struct):
    """`retExtInfo` of a batch."""

    rows: list[Code] = field(name="list", default_factory=list)


class Envelope(Struct, rename="camel"):
    """What every answer is wrapped in."""

    ret_code: int
    ret_msg: str
    result: msgspec.Raw = msgspec.Raw(b"{}")
    ret_ext_info: msgspec.Raw = msgspec.Raw(b"{}")
    time: int = 0

    @property
    def codes(self) -> list[Code]:
        """Those of a batch, order by order."""
        return msgspec.json.decode(self.ret_ext_info, type=Codes).rows


class Rows(Struct, Generic[T], rename="camel"):
    """One page of a list."""

    rows: list[T] = field(name="list")
    next_page_cursor: str = ""


class Named(Struct, rename="camel"):
    """What an ack tells of an order."""

    order_id: str = ""
    order_link_id: str = ""


class WireOrder(Struct, rename="camel"):
    """An order, as the stream and questions tell it."""

    symbol: str
    order_id: str
    order_link_id: str
    side: str
    order_status: str
    price: str
    qty: str
    cum_exec_qty: str
    updated_time: str
    order_type: str = "Limit"
    time_in_force: str = "GTC"
    reject_reason: str = ""
    cancel_type: str = ""
    trigger_price: str = ""
    trigger_direction: int = 0
    reduce_only: bool = False


class WireExecution(Struct, rename="camel"):
    """A fill, or a payment of funding."""

    symbol: str
    order_id: str
    order_link_id: str
    side: str
    exec_id: str
    exec_type: str
    exec_price: str
    exec_qty: str
    exec_fee: str
    exec_time: str
    is_maker: bool = False


class WirePosition(Struct, rename="camel"):
    """A position; `position_value` is what was paid for it."""

    symbol: str
    side: str
    size: str
    position_idx: int
    position_value: str = ""
    leverage: str = ""


class WireCoin(Struct, rename="camel"):
    """One currency of the wallet."""

    coin: str
    wallet_balance: str


class WireWallet(Struct):
    """The unified account."""

    coin: list[WireCoin]


class WireKey(Struct, rename="camel"):
    """What a key may do."""

    read_only: int
    uta: int
    permissions: dict[str, list[str]]
    deadline_day: int = 0
    ips: list[str] | None = None


class WireAccount(Struct, rename="camel"):
    """How the account is set."""

    margin_mode: str
    dcp_status: str = "OFF"


class WireTime(Struct, rename="camel"):
    """The venue's clock."""

    time_nano: str


class OrderMessage(Struct):
    """Topic order."""

    topic: str
    data: list[WireOrder]


class ExecutionMessage(Struct):
    """Topic execution."""

    topic: str
    data: list[WireExecution]


UNREAD = frozenset(
    [
        "id",
        "creationTime",
        "category",
        "blockTradeId",
        "positionIdx",
        "isLeverage",
        "avgPrice",
        "leavesQty",
        "leavesValue",
        "cumExecValue",
        "cumExecFee",
        "cumFeeDetail",
        "stopOrderType",
        "orderIv",
        "takeProfit",
        "stopLoss",
        "triggerBy",
        "tpTriggerBy",
        "slTriggerBy",
        "placeType",
        "lastPriceOnCreated",
        "closeOnTrigger",
        "smpGroup",
        "smpType",
        "smpOrderId",
        "tpslMode",
        "tpLimitPrice",
        "slLimitPrice",
        "createdTime",
        "feeCurrency",
        "execValue",
        "feeRate",
        "tradeIv",
        "markIv",
        "markPrice",
        "indexPrice",
        "underlyingPrice",
        "orderPrice",
        "orderQty",
        "orderType",
        "closedSize",
        "seq",
        "execPnl",
        "marketUnit",
        "ocoTriggerBy",
        "createType",
        "parentOrderLinkId",
        "slippageTolerance",
        "slippageToleranceType",
        "extraFees",
    ]
)
"""Fields of the private streams that are known and not needed."""


def decoded(body: bytes | msgspec.Raw, kind: type[T], what: str) -> T:
    """A part of an answer. Raises `VenueError` when it is not understood."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise VenueError(f"Bybit's {what} is not understood: {error}; {bytes(body)[:200]!r}") from error


def opened(answer: Answer, what: str) -> Envelope:
    """The envelope of a successful answer. Raises `VenueError` with the venue's words for anything else."""
    if answer.status != 200:
        said = answer.body[:200].decode(errors="replace")
        raise VenueError(f"Bybit did not answer {what}: HTTP {answer.status} {said}")
    envelope = decoded(answer.body, Envelope, what)
    if envelope.ret_code:
        raise VenueError(f"Bybit did not answer {what}: {envelope.ret_code} {envelope.ret_msg}")
    return envelope


def converted(data: Any, kind: type[T], what: str) -> T:  # noqa: ANN401 - JSON
    """A part of a stream's message. Raises `DataError`."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise DataError(f"Bybit's stream {what} is not understood: {error}") from error
