"""Intents as Hyperliquid's trading actions: exactly what is signed and sent.

The structs encode with the same keys in the same order as the SDK's, because the signature is over that order.
An order's `c` (cloid) is our client id in the venue's 128 bits, reversible without a table: see `cloid_of`.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from domain.errors import Unrepresentable
from domain.instrument import Instrument
from domain.order import BUY, ClientId, OrderKind, check_side
from exchanges.hyperliquid.wire import MS

MAX_BATCH = 40
"""Orders in one action: a whole grid at one decision. The 40th costs REST a second unit of weight, as a second action
would; a WebSocket counts messages."""
ANY_PRICE_SLIP = 0.1
"""How far beyond its trigger a stop without a price may fill: the venue demands a price, its own screens use 10 %."""
_TIFS = {OrderKind.LIMIT: "Gtc", OrderKind.POST_ONLY: "Alo", OrderKind.IOC: "Ioc"}
_TRIGGERS = {OrderKind.STOP: "sl", OrderKind.TAKE_PROFIT: "tp"}
_CID = re.compile(r"([0-9a-f]{6})-([0-9a-f]{1,6})-([0-9a-f]{1,12})-([0-9a-f]{1,8})")
_CLOID = re.compile(r"0x[0-9a-f]{32}")


class Tif(Struct, frozen=True, gc=False):
    """How a limit order meets the book: Gtc, Alo (post-only) or Ioc."""

    tif: str


class Trigger(Struct, frozen=True, rename="camel", gc=False):
    """When a stop (`sl`) or take-profit (`tp`) fires; the order's price is then the worst accepted."""

    is_market: bool
    trigger_px: str
    tpsl: str


class OrderType(Struct, frozen=True, omit_defaults=True):
    """One of the two."""

    limit: Tif | None = None
    trigger: Trigger | None = None


class OrderWire(Struct, frozen=True, omit_defaults=True):
    """One order: asset, is buy, price, size, reduce-only, type, cloid."""

    a: int
    b: bool
    p: str
    s: str
    r: bool
    t: OrderType
    c: str = ""


class ModifyWire(Struct, frozen=True):
    """Replace the order that has `oid` (a cloid) by another."""

    oid: str
    order: OrderWire


class CancelWire(Struct, frozen=True, gc=False):
    """Cancel by cloid."""

    asset: int
    cloid: str


class CancelOidWire(Struct, frozen=True, gc=False):
    """Cancel by the venue's own number."""

    a: int
    o: int


class Builder(Struct, frozen=True):
    """Who is paid `f` tenths of a basis point for an order, by the account's own approval."""

    b: str
    f: int


class OrderAction(Struct, frozen=True, tag_field="type", tag="order"):
    """New orders; no builder is named, so none is paid, unless the settings name one."""

    orders: list[OrderWire]
    grouping: str = "na"
    builder: Builder | UnsetType = UNSET


class BatchModify(Struct, frozen=True, tag_field="type", tag="batchModify"):
    """Cancel and replace, keeping the cloids; the new orders have new oids and sizes of their own."""

    modifies: list[ModifyWire]


class CancelByCloid(Struct, frozen=True, tag_field="type", tag="cancelByCloid"):
    """Cancel."""

    cancels: list[CancelWire]


class CancelByOid(Struct, frozen=True, tag_field="type", tag="cancel"):
    """Cancel what somebody placed without a cloid."""

    cancels: list[CancelOidWire]


class ScheduleCancel(Struct, frozen=True, tag_field="type", tag="scheduleCancel", omit_defaults=True):
    """The dead man's switch: everything is cancelled at `time` (ms); without it the switch is off."""

    time: int | None = None


class UpdateLeverage(Struct, frozen=True, tag_field="type", tag="updateLeverage", rename="camel", gc=False):
    """Margin mode and leverage of one contract."""

    asset: int
    is_cross: bool
    leverage: int


class Noop(Struct, frozen=True, tag_field="type", tag="noop"):
    """Does nothing; signed, never sent, to learn a signer's address."""


Action: TypeAlias = OrderAction | BatchModify | CancelByCloid | CancelByOid | ScheduleCancel | UpdateLeverage | Noop


def action_name(action: Action) -> str:
    """The action's type on the wire."""
    return str(type(action).__struct_config__.tag)


def cloid_of(cid: ClientId) -> str:
    """Our id in the venue's 128 bits: installation 24, epoch 24, sequence number 48, index 32.

    Raises `Unrepresentable` for an id that is not of the form that `derive_client_id` gives.
    """
    match = _CID.fullmatch(cid)
    if match is None:
        raise Unrepresentable(f"client id {cid!r:.60} does not fit into a Hyperliquid cloid")
    installation, epoch, seq, index = match.groups()
    return f"0x{installation}{epoch:0>6}{seq:0>12}{index:0>8}"


def cid_of(cloid: str | None, oid: int) -> ClientId:
    """The reverse of `cloid_of`. An order without a cloid is known by the venue's own number."""
    if cloid is None or _CLOID.fullmatch(cloid) is None:
        return f"oid-{oid}"
    digits = cloid[2:]
    epoch, seq, index = int(digits[6:12], 16), int(digits[12:24], 16), int(digits[24:], 16)
    return f"{digits[:6]}-{epoch:x}-{seq:x}-{index:x}"


def number_text(value: int, decimals: int) -> str:
    """An integer of the given scale as the venue wants it: no zeros at the end."""
    if not decimals:
        return str(value)
    digits = str(value).zfill(decimals + 1)
    fraction = digits[-decimals:].rstrip("0")
    return f"{digits[:-decimals]}.{fraction}" if fraction else digits[:-decimals]


def price_text(instrument: Instrument, price: int) -> str:
    """A price: at most five significant figures and 6 - szDecimals decimals, whole numbers always.

    Raises `Unrepresentable` for any other: rounding is the caller's, who knows the side.
    """
    if price <= 0 or price % instrument.price_step(price):
        raise Unrepresentable(f"{instrument.id}: Hyperliquid takes no price of {instrument.price_text(price)}")
    return number_text(price, instrument.price_decimals)


def size_text(instrument: Instrument, qty: int) -> str:
    """A size: szDecimals decimals, more than nothing (0 would close the whole position). Raises `Unrepresentable`."""
    if qty <= 0 or qty % instrument.lot:
        raise Unrepresentable(f"{instrument.id}: Hyperliquid takes no size of {instrument.qty_text(qty)}")
    return number_text(qty, instrument.qty_decimals)


class OrderTerms(Struct, kw_only=True):
    """What an order is, apart from how much has filled; prices and quantities in the instrument's scale."""

    cid: ClientId
    side: int
    kind: OrderKind
    price: int
    qty: int
    trigger: int = 0
    reduce_only: bool = False


def any_price(instrument: Instrument, trigger: int, side: int) -> int:
    """The price that a stop or take-profit without one is given."""
    return instrument.round_price(instrument.price_float(trigger) * (1 + ANY_PRICE_SLIP * side), side)


def order_wire(instrument: Instrument, asset: int, terms: OrderTerms) -> OrderWire:
    """The wire form of an order. Raises `Unrepresentable` for what the venue would not take as it is."""
    check_side(terms.side)
    price = terms.price
    if terms.kind in _TRIGGERS:
        kind = OrderType(trigger=Trigger(True, price_text(instrument, terms.trigger), _TRIGGERS[terms.kind]))
        price = price or any_price(instrument, terms.trigger, terms.side)
    else:
        kind = OrderType(Tif(_TIFS[terms.kind]))
    return OrderWire(
        a=asset,
        b=terms.side == BUY,
        p=price_text(instrument, price),
        s=size_text(instrument, terms.qty),
        r=terms.reduce_only,
        t=kind,
        c=cloid_of(terms.cid),
    )


def expires_ms(valid_until_ns: int) -> int:
    """`expiresAfter` of a request that is valid until then, in whole milliseconds, never later; 0 = it has none."""
    return valid_until_ns // MS


class Envelope(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What POST /exchange and the WebSocket's post carry."""

    action: Action
    nonce: int
    signature: Struct
    vault_address: str | None = None
    expires_after: int | None = None


encode = msgspec.json.encode
