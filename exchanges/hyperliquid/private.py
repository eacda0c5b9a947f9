"""Hyperliquid's private messages: answers to posts, order updates, fills, funding, and what POST /info tells.

Fields that we do not read are ignored; a missing one is a `DataError`.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from domain.errors import DataError
from exchanges.hyperliquid.wire import ErrorMessage, PongMessage

UNREAD = frozenset(
    {
        "availableToTrade", "avgPx", "builder", "builderFee", "children", "closedPnl", "crossMaintenanceMarginUsed",
        "crossMarginSummary", "cumFunding", "dir", "entryPx", "feeToken", "fundingRate", "hash", "isPositionTpsl",
        "isSnapshot", "leverage", "liquidatedUser", "liquidationPx", "marginUsed", "markPx", "maxLeverage",
        "maxTradeSzs", "method", "nRequestsSurplus", "nSamples", "name", "rawUsd", "returnOnEquity", "startPosition",
        "szi", "totalMarginUsed", "totalNtlPos", "totalRawUsd", "triggerCondition", "twapId", "type", "user",
        "withdrawable",
    }
)  # fmt: skip
"""Fields that we know of and do not need."""


class Wire(Struct, rename="camel"):
    """Names as the venue writes them."""


class WireOrder(Wire):
    """An order. `sz` is what is left of `orig_sz`; a modified order has a new `oid` and the same cloid.

    What stands below `cloid` comes only from POST /info.
    """

    coin: str
    side: str
    limit_px: str
    sz: str
    oid: int
    orig_sz: str
    timestamp: int = 0
    cloid: str | None = None
    is_trigger: bool = False
    trigger_px: str = "0"
    reduce_only: bool = False
    order_type: str = "Limit"
    tif: str | None = None


class WireUpdate(Wire):
    """What has become of an order."""

    order: WireOrder
    status: str
    status_timestamp: int


class WireLiquidation(Wire):
    """Present on fills of a liquidation."""

    liquidated_user: str | None = None


class WireFill(Wire):
    """One fill; `tid` is unique per account. Side B = bought. `fee` is in USDC, negative = rebate."""

    coin: str
    px: str
    sz: str
    side: str
    time: int
    oid: int
    crossed: bool
    fee: str
    tid: int
    cloid: str | None = None
    liquidation: WireLiquidation | None = None


class WireFunding(Wire):
    """Funding of one coin at one time; `usdc` is positive when received."""

    time: int
    coin: str
    usdc: str


class WireFills(Wire):
    """Fills of one user."""

    user: str
    fills: list[WireFill]


class WireFundings(Wire):
    """Funding of one user."""

    user: str
    fundings: list[WireFunding]


class UserSubscription(Struct, frozen=True):
    """A private subscription."""

    type: str
    user: str


class WireConfirmation(Wire):
    """The venue's answer to subscribe."""

    subscription: UserSubscription


class PostResponse(Wire):
    """`type` action: an `Answer`; error: a text that begins with the HTTP status."""

    type: str
    payload: Raw


class WirePost(Wire):
    """The answer to the post `id`."""

    id: int
    response: PostResponse


class PostMessage(Struct, tag_field="channel", tag="post"):
    """Channel post."""

    data: WirePost


class UpdatesMessage(Struct, tag_field="channel", tag="orderUpdates"):
    """Channel orderUpdates; it does not say whose orders they are."""

    data: list[WireUpdate]


class FillsMessage(Struct, tag_field="channel", tag="userFills"):
    """Channel userFills."""

    data: WireFills


class FundingsMessage(Struct, tag_field="channel", tag="userFundings"):
    """Channel userFundings."""

    data: WireFundings


class ConfirmationMessage(Struct, tag_field="channel", tag="subscriptionResponse"):
    """Channel subscriptionResponse."""

    data: WireConfirmation


PrivateMessage: TypeAlias = (
    PostMessage | UpdatesMessage | FillsMessage | FundingsMessage | ConfirmationMessage | ErrorMessage | PongMessage
)


class Placed(Wire):
    """The order rests."""

    oid: int


class Taken(Wire):
    """The order has met `total_sz` at once; what is left of it rests, or is cancelled when it is IOC."""

    oid: int
    total_sz: str


class Status(Wire):
    """What became of one order of a batch: one of the three."""

    resting: Placed | None = None
    filled: Taken | None = None
    error: str | None = None


class Statuses(Wire):
    """One for each order or cancel, or one error for all of them."""

    statuses: list[str | Status] = []  # msgspec copies it


class Done(Wire):
    """The venue has carried an action out, order by order."""

    data: Statuses | None = None


class Answer(Wire):
    """`status` ok: `response` is a `Done`; err: a text, and nothing of the action was done."""

    status: str
    response: Raw


class WirePositionDetails(Wire):
    """`szi` is signed; `position_value` is not."""

    coin: str
    szi: str
    position_value: str
    unrealized_pnl: str


class WirePosition(Wire):
    """One entry of `WireAccount`."""

    position: WirePositionDetails


class WireSummary(Wire):
    """Equity: cash and unrealised PNL."""

    account_value: str


class WireAccount(Wire):
    """clearinghouseState, at `time` of the venue's clock."""

    margin_summary: WireSummary
    asset_positions: list[WirePosition]
    time: int


class WireLeverage(Wire):
    """Margin mode (cross or isolated) and leverage of one contract."""

    type: str
    value: int


class WireAssetData(Wire):
    """activeAssetData: what an account has set for a contract, whether it holds any or not."""

    coin: str
    leverage: WireLeverage


class WireOrderStatus(Wire):
    """orderStatus: `status` order or unknownOid."""

    status: str
    order: WireUpdate | None = None


class WireFundingDelta(Wire):
    """The contents of a `WireLedgerFunding`."""

    coin: str
    usdc: str


class WireLedgerFunding(Wire):
    """userFunding."""

    time: int
    delta: WireFundingDelta


class WireAgent(Wire):
    """extraAgents: an approved API wallet with a name, and until when (ms)."""

    name: str
    address: str
    valid_until: int


class WireRoleData(Wire):
    """Whose agent it is."""

    user: str = ""


class WireRole(Wire):
    """userRole: user, agent, vault, subAccount or missing."""

    role: str
    data: WireRoleData | None = None


_messages = msgspec.json.Decoder(PrivateMessage)


def decode_private(frame: bytes | str) -> PrivateMessage:
    """Decode one frame. Raises `DataError` for what is not one of the known messages."""
    try:
        message: PrivateMessage = _messages.decode(frame)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"Hyperliquid sent something that is not understood: {error}") from error
    return message


def statuses_of(body: bytes | Raw) -> list[str | Status] | str:
    """What became of each part of an action, or one text for all of it. Raises `DataError`."""
    try:
        answer = msgspec.json.decode(body, type=Answer)
        if answer.status != "ok":
            return msgspec.json.decode(answer.response, type=str)
        done = msgspec.json.decode(answer.response, type=Done)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"Hyperliquid's answer to an action is not understood: {error}") from error
    return done.data.statuses if done.data is not None else []
