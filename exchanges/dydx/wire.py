"""The indexer's words, on its WebSocket and over REST, as structs. Numbers are decimal texts, times ISO 8601.

Unknown fields are tolerated, missing ones are errors. What the venue sends as plain numbers (`atomicResolution`,
`stepBaseQuantums`, ...) is read as numbers.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct, field

from domain.errors import DataError

T = TypeVar("T")
Time = Annotated[datetime, Meta(tz=True)]
RESOLUTIONS_NS = {
    name: seconds * 1_000_000_000
    for name, seconds in (
        ("1MIN", 60),
        ("5MINS", 300),
        ("15MINS", 900),
        ("30MINS", 1_800),
        ("1HOUR", 3_600),
        ("4HOURS", 14_400),
        ("1DAY", 86_400),
    )
}
"""The candle intervals that the venue has."""
RESOLUTIONS = {interval_ns: name for name, interval_ns in RESOLUTIONS_NS.items()}

UNREAD = frozenset(
    [
        "subaccountId",
        "clientId",
        "goodTilBlockTime",
        "createdAtHeight",
        "updatedAt",
        "updatedAtHeight",
        "totalOptimisticFilled",
        "subaccountNumber",
        "ticker",
        "market",
        "eventId",
        "transactionHash",
        "quoteAmount",
        "perpetualPositions",
        "assetPositions",
        "transfers",
        "tradingReward",
        "affiliateRevShare",
        "orderRouterAddress",
        "builderAddress",
        "builderFee",
        "feePpm",
        "duration",
        "interval",
        "priceTolerance",
        "positionSideBefore",
        "positionSizeBefore",
        "entryPriceBefore",
    ]
)
"""Fields of the account stream that we know of and do not need."""


def ns_of(time: datetime) -> int:
    """Nanoseconds UTC, exact to the microsecond that is there."""
    return (int(time.replace(microsecond=0).timestamp()) * 1_000_000 + time.microsecond) * 1_000


_decoders: dict[object, msgspec.json.Decoder[Any]] = {}
"""By what they make: making one takes longer than reading a small message."""


def decoded(body: bytes | Raw, kind: type[T], what: str) -> T:
    """Raises `DataError` for what is not understood."""
    try:
        decoder = _decoders.get(kind) or _decoders.setdefault(kind, msgspec.json.Decoder(kind))
        value: T = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"dYdX's {what} is not understood: {error}") from error
    return value


class Frame(Struct, rename={"number": "message_id"}, gc=False):
    """Any message of the WebSocket: `connected`, `subscribed`, `channel_data`, `channel_batch_data`, `error`.

    `number` counts the messages of this connection, so a hole in it is a loss. `contents` depends on the channel.
    """

    type: str
    number: int = -1
    channel: str = ""
    id: str = ""
    contents: Raw = Raw(b"")
    message: str = ""


class WireLevel(Struct, gc=False):
    """One level of an order book as REST and the first message tell it."""

    price: str
    size: str


class WireBook(Struct):
    """A whole book. It may be crossed: see `book`."""

    bids: list[WireLevel]
    asks: list[WireLevel]


class LevelChange(Struct, array_like=True, gc=False):
    """One level as later messages tell it, maybe with an offset behind; size 0 = gone."""

    price: str
    size: str


class WireDelta(Struct):
    """Levels that have changed."""

    bids: list[LevelChange] = field(default_factory=list)
    asks: list[LevelChange] = field(default_factory=list)


class WireTrade(Struct, rename="camel"):
    """One public trade; `side` is the taker's."""

    id: str
    side: str
    size: str
    price: str
    created_at: Time


class WireTrades(Struct):
    """Newest first."""

    trades: list[WireTrade]


class WireCandle(Struct, rename="camel"):
    """One candle, finished or not."""

    started_at: Time
    resolution: str
    low: str
    high: str
    open: str
    close: str
    base_token_volume: str


class WireCandles(Struct):
    """Newest first."""

    candles: list[WireCandle]


class WireMarket(Struct, rename="camel"):
    """One perpetual; the last five are numbers on the wire, not texts."""

    clob_pair_id: str
    ticker: str
    status: str
    initial_margin_fraction: Decimal
    maintenance_margin_fraction: Decimal
    tick_size: Decimal
    step_size: Decimal
    atomic_resolution: int
    quantum_conversion_exponent: int
    step_base_quantums: int
    subticks_per_tick: int
    oracle_price: str | None = None
    next_funding_rate: str | None = None


class WireMarkets(Struct):
    """By ticker."""

    markets: dict[str, WireMarket]


class OraclePrice(Struct, rename="camel"):
    """The price that margins and triggers go by."""

    oracle_price: str


class Trading(Struct, rename="camel"):
    """What has changed about a market."""

    next_funding_rate: str | None = None


class WireMarketsUpdate(Struct, rename="camel"):
    """An update of v4_markets."""

    oracle_prices: dict[str, OraclePrice] = field(default_factory=dict)
    trading: dict[str, Trading] = field(default_factory=dict)


class WireFundingRate(Struct, rename="camel"):
    """A rate that was charged, per hour."""

    ticker: str
    rate: Decimal
    effective_at: Time


class WireFundingRates(Struct, rename="camel"):
    """Newest first."""

    historical_funding: list[WireFundingRate]


class WireOrder(Struct, rename="camel"):
    """One order; over REST `status` and `total_filled` are always there."""

    id: str
    client_id: str
    clob_pair_id: str
    side: str
    size: str
    price: str
    status: str
    order_flags: str
    reduce_only: bool = False
    type: str = ""
    time_in_force: str = ""
    post_only: bool = False
    total_filled: str | None = None
    client_metadata: str = ""
    good_til_block: str | None = None
    trigger_price: str | None = None
    removal_reason: str = ""


class WireFill(Struct, rename="camel"):
    """One fill, from the WebSocket or REST."""

    id: str
    side: str
    liquidity: str
    type: str
    size: str
    price: str
    created_at: Time
    fee: str = "0"
    order_id: str | None = None
    client_metadata: str | None = None
    clob_pair_id: str = ""
    ticker: str = ""
    market: str = ""


class WireFills(Struct):
    """Newest first."""

    fills: list[WireFill]


class WireUpdate(Struct, rename="camel"):
    """What has happened in a subaccount."""

    orders: list[WireOrder] = field(default_factory=list)
    fills: list[WireFill] = field(default_factory=list)
    block_height: str = ""


class WirePosition(Struct, rename="camel"):
    """One open position; `size` is signed."""

    market: str
    side: str
    size: str
    entry_price: str


class WireAsset(Struct):
    """Cash; `side` SHORT = owed."""

    symbol: str
    side: str
    size: str


class WireSubaccount(Struct, rename="camel"):
    """Cash is what remains after positions were paid for in full."""

    equity: str
    open_perpetual_positions: dict[str, WirePosition]
    asset_positions: dict[str, WireAsset]


class WireSubaccountAnswer(Struct):
    """The envelope."""

    subaccount: WireSubaccount


class WirePayment(Struct, rename="camel"):
    """One payment of funding; positive = received."""

    created_at: Time
    ticker: str
    payment: str


class WirePayments(Struct, rename="camel"):
    """Newest first."""

    funding_payments: list[WirePayment]


class WireHeight(Struct):
    """The newest block that the indexer knows."""

    height: str
    time: Time


class WireHeightUpdate(Struct, rename="camel"):
    """One more block."""

    block_height: str
    time: Time


class WireTime(Struct):
    """The indexer's clock."""

    iso: Time
